#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a Python wheel with liblonghaul.so inside, from a build folder or the prefix of an installation; needs no network.
#   scripts/make_wheel.sh [BUILD_OR_PREFIX [OUTPUT_FOLDER]]        default: build/release dist
# PYTHON names the interpreter (default python3, else /usr/bin/python3); it needs pip, setuptools and wheel (Debian: python3-pip
# python3-setuptools python3-wheel). What the library itself links (UCX, fmt, spdlog, OpenSSL, xxHash) is not inside.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() {
  printf 'make_wheel: %s\n' "$*" >&2
  exit 1
}
case ${1:-} in
  -h | --help) sed -n '3,6s/^# //p' "$0"; exit 0 ;;
esac
[ $# -le 2 ] || fail "too many arguments: see --help"
from=${1:-$here/build/release}
output=${2:-$here/dist}
[ -d "$from" ] || fail "$from is no folder: build first (cmake --preset release && cmake --build --preset release), or name a prefix"

library=
for folder in lib lib64 "lib/$(gcc -print-multiarch 2>/dev/null || true)" .; do
  if [ -e "$from/$folder/liblonghaul.so.0" ]; then library=$from/$folder/liblonghaul.so.0; break; fi
done
[ -n "$library" ] || fail "there is no liblonghaul.so.0 in $from, its lib or its lib64: build the target longhaul, or name a prefix"

able() { "$1" -c 'import setuptools, wheel, pip' 2>/dev/null; }
python=${PYTHON:-}
if [ -z "$python" ]; then
  for python in python3 /usr/bin/python3; do able "$python" && break; done
fi
able "$python" || fail "$python has no pip, setuptools or wheel. Debian: apt-get install python3-pip python3-setuptools python3-wheel"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/python"
cp -r "$here/python/longhaul" "$here/python/pyproject.toml" "$work/python/"
rm -rf "$work/python/longhaul/lib"
mkdir "$work/python/longhaul/lib"
cp -L "$library" "$work/python/longhaul/lib/liblonghaul.so.0"
if command -v strip >/dev/null; then strip --strip-unneeded "$work/python/longhaul/lib/liblonghaul.so.0"; fi

# With a library inside, the wheel fits one platform; its Python files fit every Python 3.
platform=$("$python" -c 'import sysconfig; print(sysconfig.get_platform().replace("-", "_").replace(".", "_"))')
"$python" -m pip --disable-pip-version-check wheel --quiet --no-index --no-deps --no-build-isolation \
  --config-settings "--build-option=--plat-name=$platform" --wheel-dir "$work/made" "$work/python" ||
  fail "pip could not make the wheel (see above)"
mkdir -p "$output"
for wheel in "$work"/made/*.whl; do
  case $wheel in *"$platform".whl) ;; *) fail "the wheel is called $(basename "$wheel"), not for $platform: setuptools is too old" ;; esac
  cp "$wheel" "$output/"
  printf '%s\n' "$output/$(basename "$wheel")"
done
