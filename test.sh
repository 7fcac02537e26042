#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds everything, runs every test. ./test.sh [PRESET] (release; asan and tsan run the suites that
# make sense under a sanitizer; mutants, after a release run: does the simulator notice every removed check?). Twice in a row is quick: only what changed is built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
preset=${1:-release}

case $preset in
  -h | --help) sed -n '3,5s/^# //p' "$0"; exit 0 ;;
  release | dev | asan | tsan | host-only) ;;
  mutants) exec tools/mutants.py --build build/release ;;
  *) echo "test: unknown preset '$preset': use release, dev, asan, tsan, host-only or mutants" >&2; exit 1 ;;
esac

scripts/install_deps.sh python3-matplotlib
if [ -z "${CXX:-}" ] && command -v g++-12 >/dev/null && [ "$(g++ -dumpversion | cut -d. -f1)" -lt 12 ]; then
  export CC=gcc-12 CXX=g++-12  # Ubuntu 22.04's default is older
fi
cmake --preset "$preset" >/dev/null || cmake --preset "$preset"
cmake --build --preset "$preset"
labels=()
case $preset in
  asan | tsan) labels=(-L 'unit|contract|sim|integration' -LE 'mpi|install|mutants') ;;
esac
ctest --test-dir "build/$preset" --output-on-failure -j 2 "${labels[@]}"
