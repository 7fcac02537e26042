#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds what needs a GPU, runs it on this machine's, and prints one table. Exit status 1 on any failure, 77 where there is no GPU or no
# CUDA compiler.
#   scripts/gpu_check.sh [--write] [BUILD_DIR]     default build/gpu-check
# --write also keeps the table in docs/results/, with GPU, driver and commit. The codecs need nvcc, cmake, Catch2, fmt, Highway and CLI11;
# whole all-reduces need what scripts/install_deps.sh installs, and are left out, with the reason, where that is not there. Shaped runs
# need no root. A site of several ranks needs libnccl.so.2 and as many GPUs, or NCCL 2.30 and one. PyTorch is that of LONGHAUL_PYTHON
# (python3), and left out where it has none.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
write=
build=build/gpu-check
for argument in "$@"; do
  case $argument in
    -h | --help) sed -n '3,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --write) write=1 ;;
    -*) echo "gpu_check: unknown option '$argument': use --write or --help" >&2; exit 1 ;;
    *) build=$argument ;;
  esac
done

skip() {
  echo "gpu_check: skipped: $1" >&2
  exit 77
}
command -v nvidia-smi >/dev/null || skip "no GPU here: there is no nvidia-smi, so no NVIDIA driver"
nvidia-smi -L >/dev/null 2>&1 || skip "no GPU here: nvidia-smi finds none"
nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null) || skip "no CUDA compiler: put nvcc on the PATH"
gpu=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | head -1)
gpus=$(nvidia-smi -L | wc -l)
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain 2>/dev/null | head -1)" ] || commit="$commit with changes"

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
rows=() failures=0

# row NAME RESULT DETAIL
row() {
  rows+=("| $1 | $2 | $3 |")
  [ "$2" != FAILED ] || failures=$((failures + 1))
}

# check NAME PATTERN COMMAND...: one row, with the last line of the output that has the pattern.
check() {
  local name=$1 pattern=$2 result=ok status
  shift 2
  printf -- '-- %s\n' "$name"
  timeout 600 "$@" >"$logs/out" 2>&1
  status=$?
  [ $status -eq 0 ] || result=FAILED
  [ $status -ne 77 ] || result=skipped
  [ $result = ok ] || tail -20 "$logs/out" >&2
  row "$name" $result "$(grep -E "$pattern" "$logs/out" | tail -1 | tr -s ' ')"
}

build_codecs() {
  cmake -S tests/cuda -B "$build/codecs" -DLH_NVCC="$nvcc" -DLH_GPU_ARCHITECTURES=native && cmake --build "$build/codecs" -j
}
printf -- '-- building the codecs\n'
benches=
if build_codecs >"$logs/build" 2>&1; then
  bin=$build/codecs/bin
  check "registers and spills" 'spill' python3 tools/cuda_resources.py report "$build/codecs"
  check "codecs: GPU = CPU, byte for byte" 'assertions|passed' "$bin/gpu_codec_tests"
  if sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null); then
    for tool in memcheck racecheck; do
      check "codecs under compute-sanitizer $tool" 'ERROR SUMMARY|RACECHECK SUMMARY|passed' "$sanitizer" --tool $tool --error-exitcode 1 "$bin/gpu_codec_tests" "golden vectors on a GPU"
    done
  else
    row "codecs under compute-sanitizer" skipped "it is not installed"
  fi
  check "codecs: speed against the bars, 256 MiB" 'sum of 2 lossless' "$bin/gpu_codec_bench" --size 256 --repeat 20 --bars
  benches=$(cat "$logs/out")
else
  tail -20 "$logs/build" >&2
  echo "gpu_check: the codecs did not build: needed are cmake 3.24, g++ 12, pkg-config, and Catch2, fmt, Highway, CLI11 (Debian: catch2 libfmt-dev libhwy-dev libcli11-dev)" >&2
  row "building the codecs" FAILED "see above"
fi

perf=$build/longhaul/bin/all_reduce_perf
printf -- '-- building all_reduce_perf\n'
if ! cmake -S . -B "$build/longhaul" -DCMAKE_BUILD_TYPE=Release -DLH_BUILD_EXAMPLES=OFF -DLH_WITH_CUDA=ON -DLH_NVCC="$nvcc" -DLH_GPU_ARCHITECTURES=native >"$logs/build" 2>&1; then
  row "whole all-reduces" skipped "$(grep -m1 -iE "not found|required|could not find" "$logs/build" | tr -d '|'): scripts/install_deps.sh installs it"
elif ! cmake --build "$build/longhaul" -j --target all_reduce_perf >"$logs/build" 2>&1; then
  tail -20 "$logs/build" >&2
  row "building all_reduce_perf" FAILED "see above"
elif ! "$perf" --help | grep -q -- --device; then
  row "whole all-reduces" skipped "this all_reduce_perf has no --device"
else
  numbers='^ +[0-9]'
  sizes=(-b 4 -e 16M -f 64 -n 5)
  if cmake --build "$build/longhaul" -j --target gpu_double_tests >"$logs/build" 2>&1; then
    check "double of CUDA and NCCL" 'assertions|passed' "$build/longhaul/bin/gpu_double_tests"
  fi
  check "two sites of one rank, all codecs" "$numbers" "$perf" --device 0 --sites 2 -g 2 --codec all "${sizes[@]}" -J "$logs/gpu.json"
  check "their codecs run on the GPU" 'codecs run on the GPU' env LONGHAUL_LOG=info "$perf" --device 0 --sites 2 -g 2 --codec i8 -b 1M -e 1M -n 1
  grep -q 'codecs run on the GPU' "$logs/out" || row "their codecs run on the GPU" FAILED "$(grep -m1 'codecs run on' "$logs/out")"
  check "the same on host memory" "$numbers" "$perf" --sites 2 -g 2 --codec all "${sizes[@]}" -J "$logs/host.json"
  check "results on the GPU = on host memory, bit for bit" 'results' python3 tools/same_results.py "$logs/gpu.json" "$logs/host.json"
  for codec in i8 r4; do
    check "256 MiB, $codec, 10 Gbit/s, 15 ms" "$numbers" "$perf" --device 0 --sites 2 -g 2 --codec $codec -b 256M -e 256M -n 5 --wan-rate 10gbit --wan-rtt 15ms
  done
  check "256 MiB, none, unshaped" "$numbers" "$perf" --device 0 --sites 2 -g 2 -b 256M -e 256M -n 5
  for codec in none i8 r4; do
    check "256 MiB, $codec, unshaped: which phase limits" 'GPU ms:' "$perf" --device 0 --sites 2 -g 2 --codec $codec -b 256M -e 256M -n 5 --trace "$logs/trace.json"
    grep -q 'GPU ms:' "$logs/out" || row "256 MiB, $codec, unshaped: which phase limits" FAILED "no phase was measured"
  done
  if mpirun=$(command -v mpirun.openmpi || command -v mpirun) && ldd "$perf" | grep -q libmpi; then
    flags=()
    if "$mpirun" --version 2>&1 | grep -q 'Open MPI'; then flags=(--oversubscribe --bind-to none --allow-run-as-root); fi
    check "mpirun: two sites of one process" "$numbers" "$mpirun" "${flags[@]}" -n 2 "$perf" --device 0 --sites 2 --codec none,i8 "${sizes[@]}"
  else
    row "mpirun: two sites of one process" skipped "no mpirun, or all_reduce_perf was built without MPI: scripts/install_deps.sh installs it"
  fi
  lib=$(realpath "$build/longhaul/lib")
  if "$nvcc" -std=c++17 -O2 -Iinclude -o "$build/gpu_training" examples/gpu_training/main.cu -L"$lib" -llonghaul -Xlinker -rpath -Xlinker "$lib" >"$logs/build" 2>&1; then
    check "a training at two sites on one GPU" 'over the WAN' "$build/gpu_training"
  else
    tail -20 "$logs/build" >&2
    row "building examples/gpu_training" FAILED "see above"
  fi
  check "PyTorch: streams, FSDP2, DDP, the backend" 'gpu_torch: ' env LONGHAUL_LIBRARY="$lib" "${LONGHAUL_PYTHON:-python3}" -B python/tests/gpu_torch.py
  export NCCL_NVLS_ENABLE=0
  [ "$gpus" -ge 4 ] || export NCCL_MULTI_RANK_GPU_ENABLE=1
  check "two sites of two ranks, all codecs, NCCL" "$numbers" "$perf" --device 0 --sites 2 -g 4 --codec all "${sizes[@]}"
  check "beside flat NCCL (last columns), 256 MiB" "$numbers" "$perf" --device 0 --sites 2 -g 4 --codec none,i8 -b 256M -e 256M -n 5 --baseline nccl
  check "two sites of two ranks: which phase limits" 'GPU ms:' "$perf" --device 0 --sites 2 -g 4 --codec i8 -b 256M -e 256M -n 5 --trace "$logs/trace.json"
fi

report=/dev/null
[ -z "$write" ] || report=docs/results/$(date +%F)-gpu.md
{
  printf '# GPU check\n\n%s, %s GPUs, commit %s, %s, %s. `scripts/gpu_check.sh`.\n\n' "$gpu" "$gpus" "$commit" "$("$nvcc" --version | grep -o 'V[0-9.]*$')" "$(uname -r)"
  printf '| what | result | its last line |\n|---|---|---|\n'
  printf '%s\n' "${rows[@]}"
  [ -z "$benches" ] || printf '\n```\n%s\n```\n' "$benches"
} | tee "$report"
exit $((failures > 0))
