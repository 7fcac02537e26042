#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds Longhaul and runs what needs a GPU on this machine, prints one table and writes it to docs/results/. Exit status 1 on any failure,
# 77 where there is no GPU.
#   scripts/gpu_check.sh [BUILD_DIR]          default build/release
# Shaped runs need no root. A site of several ranks needs libnccl.so.2 and as many GPUs, or NCCL 2.30 and one.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
build=${1:-build/release}

if ! command -v nvidia-smi >/dev/null || ! nvidia-smi -L >/dev/null 2>&1; then
  echo "gpu_check: no GPU: nvidia-smi finds none" >&2
  exit 77
fi
gpu=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | head -1)
gpus=$(nvidia-smi -L | wc -l)
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)

cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release >/dev/null && cmake --build "$build" --target all_reduce_perf gpu_double_tests || {
  echo "gpu_check: the build failed; scripts/install_deps.sh installs what it needs" >&2
  exit 1
}
perf=$build/bin/all_reduce_perf
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
rows=() failures=0

# check NAME COMMAND...: one row, with the last line of numbers that the program printed.
check() {
  local name=$1 result=ok
  shift
  printf -- '-- %s\n' "$name"
  if ! timeout 300 "$@" >"$logs/out" 2>&1; then
    result=FAILED
    failures=$((failures + 1))
    tail -20 "$logs/out" >&2
  fi
  rows+=("| $name | $result | $(grep -E '^ +[0-9]' "$logs/out" | tail -1 | tr -s ' ') |")
}

sizes=(-b 4 -e 16M -f 64 -n 5)
check "double of CUDA and NCCL" "$build/bin/gpu_double_tests"
check "two sites of one rank, all codecs" "$perf" --device 0 --sites 2 -g 2 --codec all "${sizes[@]}"
check "256 MiB, i8, 10 Gbit/s, 15 ms" "$perf" --device 0 --sites 2 -g 2 --codec i8 -b 256M -e 256M -n 5 --wan-rate 10gbit --wan-rtt 15ms
check "256 MiB, r4, 10 Gbit/s, 15 ms" "$perf" --device 0 --sites 2 -g 2 --codec r4 -b 256M -e 256M -n 5 --wan-rate 10gbit --wan-rtt 15ms
check "256 MiB, none, unshaped" "$perf" --device 0 --sites 2 -g 2 -b 256M -e 256M -n 5
export NCCL_NVLS_ENABLE=0
[ "$gpus" -ge 4 ] || export NCCL_MULTI_RANK_GPU_ENABLE=1
check "two sites of two ranks, all codecs, NCCL" "$perf" --device 0 --sites 2 -g 4 --codec all "${sizes[@]}"

report=docs/results/$(date +%F)-gpu.md
{
  printf '# GPU check\n\n%s, %s GPUs, commit %s, %s. `scripts/gpu_check.sh`.\n\n' "$gpu" "$gpus" "$commit" "$(uname -r)"
  printf '| what | result | last row of all_reduce_perf |\n|---|---|---|\n'
  printf '%s\n' "${rows[@]}"
} | tee "$report"
exit $((failures > 0))
