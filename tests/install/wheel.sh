#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the Python wheel, installs it into an empty folder and runs the package's tests of collectives with the library inside it; the
# package without a library is installed too, and finds one by LONGHAUL_LIBRARY.
#   wheel.sh BUILD_DIR SOURCE_DIR WORK_DIR        BUILD_DIR must be built; WORK_DIR/wheel_test is replaced; 77: no pip, setuptools or wheel
set -euo pipefail
[ $# -eq 3 ] || { sed -n '5s/^# //p' "$0" >&2; exit 2; }
build=$(realpath "$1") source=$(realpath "$2")
mkdir -p "$3"
work=$(realpath "$3")/wheel_test
for name in "${!LONGHAUL_@}"; do unset "$name"; done
unset LD_LIBRARY_PATH PYTHONPATH PYTHON
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}
for python in python3 /usr/bin/python3 none; do "$python" -c 'import setuptools, wheel, pip' 2>/dev/null && break; done
[ "$python" != none ] || { echo "skipped: no Python here has pip, setuptools and wheel"; exit 77; }
export PYTHON=$python

rm -rf "$work"
mkdir -p "$work"
wheel=$("$source/scripts/make_wheel.sh" "$build" "$work/dist") || fail "make_wheel.sh"
"$python" -m pip install --quiet --no-index --no-deps --target "$work/with" "$wheel" || fail "the wheel cannot be installed"
where=$(cd / && PYTHONPATH=$work/with "$python" -c 'import longhaul._library as l; print(l.load()._name)')
[ "$where" = "$work/with/longhaul/lib/liblonghaul.so.0" ] || fail "the installed package loads $where"
[ -e "$work/with/longhaul/py.typed" ] || fail "py.typed is not in the wheel"
[ -e "$work/with/longhaul/torch/__init__.py" ] || fail "longhaul.torch is not in the wheel"
grep -q '^\[torch.backends\]' "$work"/with/longhaul-*.dist-info/entry_points.txt || fail "the wheel has no entry point torch.backends"
reduced=$(cd / && PYTHONPATH=$work/with "$python" -c '
import array, longhaul
with longhaul.loopback([1, 1]) as ranks, longhaul.group():
    memory = [array.array("f", [1.0, 2.0]) for comm in ranks]
    for comm, part in zip(ranks, memory): comm.all_reduce(part)
print(memory[1].tolist())')
[ "$reduced" = "[2.0, 4.0]" ] || fail "the installed package reduces to $reduced"

cp -r "$source/python" "$work/python"
"$python" -m pip install --quiet --no-index --no-deps --no-build-isolation --target "$work/without" "$work/python" || fail "pip install ./python"
where=$(cd / && PYTHONPATH=$work/without LONGHAUL_LIBRARY=$build "$python" -c 'import longhaul._library as l; print(l.load()._name)')
[ "$where" = "$build/lib/liblonghaul.so.0" ] || fail "the package without a library loads $where"
printf 'the wheel and the package can be installed and used\n'
