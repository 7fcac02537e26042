#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every example as examples/README.md says and looks at exit codes and output.
#   examples_test.sh EXAMPLES_DIR SOURCE_DIR WORK_DIR [MPIRUN FLAGS...]    without MPIRUN: mpi_bootstrap is left out
set -euo pipefail
[ $# -ge 3 ] || { sed -n '4s/^# //p' "$0" >&2; exit 2; }
examples=$(realpath "$1") source=$(realpath "$2") work=$3
shift 3
mpirun=("$@")
mkdir -p "$work"
work=$(realpath "$work")
for name in "${!LONGHAUL_@}"; do unset "$name"; done  # a developer's settings are not the test's
export OMPI_MCA_pml=ob1 OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_btl_vader_single_copy_mechanism=none

failures=0
fail() {
  printf 'FAILED: %s\n' "$*" >&2
  failures=$((failures + 1))
}
# expect_lines FILE COUNT PATTERN: exactly that many lines match.
expect_lines() {
  local found
  found=$(grep -cE -- "$3" "$1") || [ $? -eq 1 ]  # 1: no line matches; worse: no such file, no such pattern
  [ "$found" -eq "$2" ] && return
  fail "$(basename "$1"): $found lines match '$3', expected $2. It says:"
  sed 's/^/    /' "$1" >&2
}
# expect_status NAME EXPECTED ACTUAL LOG
expect_status() {
  [ "$3" -eq "$2" ] && return
  fail "$1 ended with status $3, expected $2. It says:"
  sed 's/^/    /' "$4" >&2
}

# Whatever happens, nothing that this test started stays.
children=()
stop_children() {
  local child
  for child in "${children[@]}"; do
    if kill -0 "$child" 2>/dev/null; then kill -TERM "$child"; fi
  done
  children=()
}
trap stop_children EXIT

# A copy of examples/two_sites.toml with ports nobody listens on.
fresh_config() {
  local first second
  read -r first second <<<"$(python3 - <<'PYTHON'
import random, socket
held = []
while len(held) < 2:
    candidate = socket.socket()
    try:
        candidate.bind(("127.0.0.1", random.randrange(20000, 30000)))
        held.append(candidate)
    except OSError:
        candidate.close()
print(*(s.getsockname()[1] for s in held))
PYTHON
)"
  sed -e "s/127\.0\.0\.1:47000/127.0.0.1:$first/" -e "s/127\.0\.0\.1:47001/127.0.0.1:$second/" \
    "$source/examples/two_sites.toml" >"$work/two_sites.toml"
  grep -q ":$first\"" "$work/two_sites.toml" && grep -q ":$second\"" "$work/two_sites.toml" ||
    fail "examples/two_sites.toml no longer names the ports that this test replaces"
}

# run_job LOG RANKS_PER_SITE COMMAND...: all processes of both sites, the output of all in LOG.
run_job() {
  local log=$1 size=$2 site rank child
  shift 2
  fresh_config
  : >"$log"
  children=()
  for site in wisconsin atlanta; do
    for ((rank = 0; rank < size; rank++)); do
      LONGHAUL_CONFIG=$work/two_sites.toml LONGHAUL_SITE=$site LONGHAUL_SITE_SIZE=$size LONGHAUL_SITE_RANK=$rank \
        timeout --kill-after=5 60 "$@" >>"$log" 2>&1 </dev/null &
      children+=("$!")
    done
  done
  wait_for_children "$log"
}
wait_for_children() {
  local child status
  for child in "${children[@]}"; do
    status=0
    wait "$child" || status=$?
    expect_status "a process of $(basename "$1" .log)" 0 "$status" "$1"
  done
  children=()
}

hello_two_sites() {
  local log=$work/hello_two_sites.log rank
  run_job "$log" 2 "$examples/hello_two_sites"
  for rank in 0 1 2 3; do
    expect_lines "$log" 1 "^rank $rank of 4: site $((rank / 2)) of 2, rank $((rank % 2)) of 2 there, sum 10\$"
  done
}

# No configuration: an error with a text, not a hang.
hello_without_sites() {
  local log=$work/hello_without_sites.log status=0
  timeout --kill-after=5 60 "$examples/hello_two_sites" >"$log" 2>&1 </dev/null || status=$?
  expect_status hello_two_sites 1 "$status" "$log"
  expect_lines "$log" 1 '^hello_two_sites: invalid argument: .*LONGHAUL_SITES'
}

requests_in_flight() {
  local log=$work/requests_in_flight.log status=0
  timeout --kill-after=5 60 "$examples/requests_in_flight" >"$log" 2>&1 </dev/null || status=$?
  expect_status requests_in_flight 0 "$status" "$log"
  expect_lines "$log" 1 '^8 requests, [0-8] already done when the last was issued$'
  expect_lines "$log" 1 '^rank 0 sent 8388608 bytes of gradients as [0-9]+ bytes over the WAN: ratio 3\.[0-9]+$'
  expect_lines "$log" 1 '^largest error: 0\.00[0-9]+ of the largest value$'

  log=$work/requests_in_flight_configured.log
  run_job "$log" 1 "$examples/requests_in_flight" --configured
  expect_lines "$log" 1 '^rank 0 sent 8388608 bytes of gradients as [0-9]+ bytes over the WAN: ratio 3\.[0-9]+$'

  log=$work/requests_in_flight_usage.log status=0
  "$examples/requests_in_flight" --wrong >"$log" 2>&1 || status=$?
  expect_status 'requests_in_flight --wrong' 2 "$status" "$log"
}

error_handling() {
  local log=$work/error_handling.log status=0
  LONGHAUL_LOG=off timeout --kill-after=5 60 "$examples/error_handling" >"$log" 2>&1 </dev/null || status=$?
  expect_status error_handling 0 "$status" "$log"
  expect_lines "$log" 1 "^  caller: invalid argument: unknown key 'codek' .*did you mean 'codec'"
  expect_lines "$log" 2 '^  rank [01]: success$'
  expect_lines "$log" 2 '^  rank [01]: invalid usage: .*count=90.*|^  rank [01]: invalid usage: .*count=100.*'
  expect_lines "$log" 1 '^  rank 0: timeout: '
  expect_lines "$log" 1 '^  rank 0: aborted: '
  expect_lines "$log" 1 '^  rank 1: remote error: '
  expect_lines "$log" 1 '^0 surprises$'
}

mpi_bootstrap() {
  local log=$work/mpi_bootstrap.log site rank
  fresh_config
  : >"$log"
  children=()
  for site in wisconsin atlanta; do
    LONGHAUL_CONFIG=$work/two_sites.toml LONGHAUL_SITE=$site timeout --kill-after=5 90 "${mpirun[@]}" -n 2 \
      "$examples/mpi_bootstrap" >>"$log" 2>&1 </dev/null &
    children+=("$!")
  done
  wait_for_children "$log"
  for rank in 0 1 2 3; do expect_lines "$log" 1 "^rank $rank of 4: site $((rank / 2)), mean rank 1.5\$"; done
}

hello_two_sites
hello_without_sites
requests_in_flight
error_handling
if [ ${#mpirun[@]} -gt 0 ]; then mpi_bootstrap; fi
[ $failures -eq 0 ] || { printf '%d checks failed; the logs are in %s\n' $failures "$work" >&2; exit 1; }
printf 'all examples do what they say\n'
