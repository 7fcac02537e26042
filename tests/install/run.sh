#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs a build into an empty prefix and uses it as a stranger would: CMake, pkg-config, strict C99, C++20.
#   run.sh BUILD_DIR SOURCE_DIR WORK_DIR        BUILD_DIR must be built; WORK_DIR/install_test is replaced
set -euo pipefail
[ $# -eq 3 ] || { sed -n '4s/^# //p' "$0" >&2; exit 2; }
build=$(realpath "$1") source=$(realpath "$2")
mkdir -p "$3"
work=$(realpath "$3")/install_test
prefix=$work/prefix
cc=${CC:-gcc} cxx=${CXX:-g++}
strict=(-std=c99 -pedantic-errors -Wall -Werror)

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}
step() { printf -- '-- %s\n' "$*"; }
for name in "${!LONGHAUL_@}"; do unset "$name"; done
unset LD_LIBRARY_PATH CMAKE_PREFIX_PATH PKG_CONFIG_PATH

step "install"
rm -rf "$work"
mkdir -p "$work"
cmake --install "$build" --prefix "$prefix" >"$work/install.log" || { cat "$work/install.log" >&2; fail "cmake --install"; }
for header in longhaul.h longhaul.hpp mpi.h nccl.h; do
  [ -f "$prefix/include/longhaul/$header" ] || fail "$header is not installed"
done
if [ -x "$prefix/bin/all_reduce_perf" ]; then
  "$prefix/share/longhaul/report.py" -h >/dev/null || fail "the installed report.py does not run"
fi
pc=$(find "$prefix" -name longhaul.pc)
[ -n "$pc" ] || fail "longhaul.pc is not installed"
libdir=$(dirname "$(find "$prefix" -name liblonghaul.so)")
library=$libdir/liblonghaul.so
[ -L "$library" ] && [ -e "$libdir/liblonghaul.so.0" ] || fail "the links liblonghaul.so and liblonghaul.so.0 are not both installed"
if grep -rIlF -e "$source" -e "$build" "$prefix"; then fail "these installed files name the source or build folder"; fi

step "the library: SONAME, exported symbols, run path"
dynamic=$(LC_ALL=C readelf -d "$library")
grep -qF 'soname: [liblonghaul.so.0]' <<<"$dynamic" || fail "SONAME is not liblonghaul.so.0: $(grep -i soname <<<"$dynamic")"
if grep -E 'R(UN)?PATH' <<<"$dynamic" | grep -F "$build"; then fail "the installed library looks for others in the build folder"; fi
if grep -iE 'NEEDED.*(libmpi|libcuda|libnccl)' <<<"$dynamic"; then fail "the library needs MPI or CUDA to load"; fi
exported=$(nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }')
[ "$(wc -l <<<"$exported")" -ge 26 ] || fail "only $(wc -l <<<"$exported") symbols are exported"
if grep -vE '^lh[A-Z]' <<<"$exported"; then fail "these exported symbols are not the interface's"; fi
declared=$(grep -ohE '^LH_API [^(]*\b(lh[A-Z][A-Za-z]*)\(' "$prefix"/include/longhaul/*.h | grep -oE 'lh[A-Z][A-Za-z]*\($' | tr -d '(' | sort -u)
[ -n "$declared" ] || fail "found no declaration in the headers"
# lhCommInitMPI is declared always and compiled where MPI was found.
undeclared=$(comm -13 <(printf '%s\n' "$declared") <(sort -u <<<"$exported"))
missing=$(comm -23 <(printf '%s\n' "$declared") <(sort -u <<<"$exported") | sed '/^lhCommInitMPI$/d')
[ -z "$undeclared" ] || fail "exported but not declared: $undeclared"
[ -z "$missing" ] || fail "declared but not exported: $missing"

step "contract, strict C99"
export PKG_CONFIG_PATH=$(dirname "$pc")
read -ra cflags <<<"$(pkg-config --cflags longhaul)"
read -ra libs <<<"$(pkg-config --libs longhaul)"
[ "$(pkg-config --modversion longhaul)" = "$(sed -nE 's/^#define LH_(MAJOR|MINOR|PATCH) //p' "$prefix/include/longhaul/longhaul.h" | paste -sd.)" ] ||
  fail "the versions of longhaul.pc and longhaul.h differ"
"$cc" "${strict[@]}" "$source/tests/install/contract.c" -o "$work/contract" "${cflags[@]}" "${libs[@]}" "-Wl,-rpath,$libdir"
"$work/contract" || fail "the contract program says no"

step "consumer by pkg-config, strict C99"
"$cc" "${strict[@]}" "$source/tests/install/main.c" -o "$work/consumer" "${cflags[@]}" "${libs[@]}" "-Wl,-rpath,$libdir"
timeout --kill-after=5 60 "$work/consumer" || fail "consumer built by pkg-config"

step "consumer by find_package"
cp -r "$source/tests/install" "$work/project"
cmake -S "$work/project" -B "$work/project/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" \
  -DCMAKE_C_FLAGS="${strict[*]}" >"$work/configure.log" 2>&1 || { cat "$work/configure.log" >&2; fail "configure"; }
cmake --build "$work/project/build" >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; fail "build"; }
timeout --kill-after=5 60 "$work/project/build/consumer" || fail "consumer built by find_package"

step "a codec plug-in, built outside the tree"
cp -r "$source/examples/codec_plugin" "$work/plugin"
cmake -S "$work/plugin" -B "$work/plugin/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" \
  -DCMAKE_C_FLAGS="-pedantic-errors -Wall -Wextra -Werror" >"$work/plugin_configure.log" 2>&1 || { cat "$work/plugin_configure.log" >&2; fail "configure of the plug-in"; }
cmake --build "$work/plugin/build" >"$work/plugin_build.log" 2>&1 || { cat "$work/plugin_build.log" >&2; fail "build of the plug-in"; }
timeout --kill-after=5 60 "$work/plugin/build/codec_plugin" || fail "the plug-in's program"

step "the C++ wrapper"
"$cxx" -std=c++20 -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Werror "$source/tests/install/headers.cpp" -o "$work/headers" \
  "${cflags[@]}" "${libs[@]}" "-Wl,-rpath,$libdir"
timeout --kill-after=5 60 "$work/headers" || fail "the program with longhaul.hpp"

printf 'the installed library can be used\n'
