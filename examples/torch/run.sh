#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Trains a character GPT at two sites over an emulated WAN with every codec, and compares: installs what is missing, builds, measures, draws.
#   examples/torch/run.sh             the whole study: about half an hour on two cores
#   examples/torch/run.sh --quick     shows that it works, in about two minutes
# Other options are study.py's (--help lists them). Needs root and /dev/net/tun. Writes build/training/.
# LONGHAUL_BUILD names another build folder; TORCH_INDEX the package index of PyTorch (default: its builds without CUDA).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

fail() {
  printf 'training: %s\n' "$*" >&2
  exit 1
}
[ "$(id -u)" -eq 0 ] || fail "network namespaces need root: start it with sudo"
[ -c /dev/net/tun ] || fail "there is no /dev/net/tun: modprobe tun, or give the container that device"

build=${LONGHAUL_BUILD:-build/release}
python=build/torch/bin/python
mkdir -p build

if [ ! -x "$build/bin/longhaul" ] || [ ! -e "$build/lib/liblonghaul.so.0" ]; then
  scripts/install_deps.sh python3-venv
  [ -f build/release/build.ninja ] || cmake --preset release >build/torch-configure.log 2>&1 || fail "cmake failed, see build/torch-configure.log"
  printf 'training: building the library and the emulator, some minutes\n'
  build=build/release
  cmake --build --preset release --target longhaul longhaul_tool >build/torch-build.log 2>&1 || fail "the build failed, see build/torch-build.log"
fi

# An interpreter that has everything is used as it is.
complete() { "$1" -c 'import torch, numpy, matplotlib' 2>/dev/null; }
if complete python3; then
  python=python3
elif ! complete "$python"; then
  venv() { python3 -m venv --system-site-packages build/torch; }
  [ -x "$python" ] || venv || { scripts/install_deps.sh python3-venv && venv; } || fail "there is no python3 -m venv"
  printf 'training: installing PyTorch into build/torch, some minutes\n'
  index=${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}
  "$python" -m pip install --quiet --extra-index-url "$index" torch==2.13.0 numpy matplotlib || fail "pip failed"
fi

for name in $(compgen -e | grep '^LONGHAUL_' || true); do unset "$name"; done  # a user's settings are not the study's
build=$(realpath "$build")
LONGHAUL_LIBRARY=$build exec "$python" examples/torch/study.py --build "$build" "$@"
