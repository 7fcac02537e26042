#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two sites, two ranks each, train one small language model over an emulated WAN: installs what is missing, builds, runs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'TEXT'
./demo.sh [--steps N] [--quick] [--rtt-ms N] [--rate-mbit N]
  --steps N      training steps a codec (80)
  --quick        8 steps: shows that everything works, not how far the loss falls
  --rtt-ms N     round trip of the emulated WAN (15)
  --rate-mbit N  its rate in each direction (1000)
Writes build/demo/: two_sites.toml, result.json, and the logs of both sites.
TEXT
}
fail() {
  printf 'demo: %s\n' "$*" >&2
  exit 1
}
whole() { [[ ${2:-} =~ ^[1-9][0-9]{0,5}$ ]] || fail "$1 wants a whole number from 1 to 999999, not '${2:-}'"; }

steps=80 timing_rounds=10 rtt_ms=15 rate_mbit=1000
while [ $# -gt 0 ]; do
  case $1 in
    --steps) whole "$@"; steps=$2; shift ;;
    --rtt-ms) whole "$@"; rtt_ms=$2; shift ;;
    --rate-mbit) whole "$@"; rate_mbit=$2; shift ;;
    --quick) steps=8 timing_rounds=3 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail "unknown option '$1'" ;;
  esac
  shift
done

# Everything long runs behind `timeout`, which bounds it and passes our TERM on to all it started (then KILL after 10 s).
children=()
stop_children() {
  trap '' INT TERM HUP
  local child
  for child in "${children[@]}"; do kill -TERM "$child" 2>/dev/null || true; done
  for child in "${children[@]}"; do wait "$child" 2>/dev/null || true; done
  children=()
}
trap stop_children EXIT
trap 'printf "\ndemo: interrupted, stopping both sites\n" >&2; exit 130' INT
trap 'exit 143' TERM HUP

demo=build/demo
mkdir -p "$demo"

# quietly LABEL LOG COMMAND...: one line while it is quick, the last line of its log every few seconds when it is not.
quietly() {
  local label=$1 log=$2 start=$SECONDS shown=$SECONDS line printed= status=0
  shift 2
  timeout --kill-after=10 3600 "$@" >"$log" 2>&1 </dev/null &
  local pid=$!
  children=("$pid")
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2 &
    wait $! || true
    if [ $((SECONDS - shown)) -ge 4 ]; then
      shown=$SECONDS
      line=$(tail -n 1 "$log" | tr -d '\r' | cut -c 1-100)
      [ "$line" = "$printed" ] || printf '  %s: %s\n' "$label" "$line"
      printed=$line
    fi
  done
  wait "$pid" || status=$?
  children=()
  if [ $status -ne 0 ]; then
    tail -n 40 "$log" >&2
    fail "$label failed; all of its output is in $log"
  fi
  printf '%s: done in %d s\n' "$label" $((SECONDS - start))
}

build() {
  # Longhaul needs GCC 12; where the default is older (Ubuntu 22.04), scripts/install_deps.sh has installed it beside it.
  if [ -z "${CXX:-}" ] && command -v g++-12 >/dev/null && [ "$(g++ -dumpversion | cut -d. -f1)" -lt 12 ]; then
    export CC=gcc-12 CXX=g++-12
  fi
  [ -f build/release/build.ninja ] || quietly configure "$demo/configure.log" cmake --preset release
  quietly build "$demo/build.log" cmake --build --preset release --target longhaul_char_lm
}

# Two TCP ports that nobody listens on, below the range the kernel gives to outgoing connections.
free_ports() {
  python3 - <<'PYTHON'
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
}

write_config() {
  local ports first second
  ports=$(free_ports) || fail "cannot find two free ports on 127.0.0.1"
  read -r first second <<<"$ports"
  sed -e "s/127\.0\.0\.1:47000/127.0.0.1:$first/" -e "s/127\.0\.0\.1:47001/127.0.0.1:$second/" \
    -e "s/\"char-lm-demo\"/\"char-lm-demo-$$\"/" -e "s/\"15ms\"/\"${rtt_ms}ms\"/" -e "s/\"1gbit\"/\"${rate_mbit}mbit\"/" \
    examples/char_lm/two_sites.toml >"$demo/two_sites.toml"
}

# start_site NAME ARGUMENTS...: one independent mpirun job in the background.
start_site() {
  local site=$1 flags=(--oversubscribe --bind-to none -n 2)
  shift
  if [ "$(id -u)" -eq 0 ]; then flags+=(--allow-run-as-root); fi
  LONGHAUL_SITE=$site LONGHAUL_CONFIG=$demo/two_sites.toml OMPI_MCA_pml=ob1 OMPI_MCA_mpi_yield_when_idle=1 \
    OMPI_MCA_btl_vader_single_copy_mechanism=none timeout --kill-after=10 "$limit" \
    "$mpirun" "${flags[@]}" build/release/bin/longhaul_char_lm "$@" </dev/null &
  children+=("$!")
}

show_failure() {
  local log
  for log in wisconsin.err atlanta.log; do
    printf -- '--- last lines of %s\n' "$demo/$log" >&2
    tail -n 25 "$demo/$log" >&2
  done
}

# Waits for both jobs. The first that fails ends the demo; its partner gets a moment to say what it saw.
wait_for_sites() {
  local status=0
  wait -n "${children[@]}" || status=$?
  if [ $status -eq 0 ]; then
    local child
    for child in "${children[@]}"; do wait "$child" || status=$?; done
  else
    local tries=0
    while [ $tries -lt 25 ] && kill -0 "${children[0]}" "${children[1]}" 2>/dev/null; do
      sleep 0.2
      tries=$((tries + 1))
    done
  fi
  [ $status -eq 0 ] && return
  stop_children
  show_failure
  if [ $status -eq 124 ]; then fail "a site did not finish within $limit s and was stopped"; fi
  if [ $status -eq 137 ]; then fail "a site was killed: by hand, for lack of memory, or because it ran over $limit s"; fi
  fail "a site failed (status $status)"
}

scripts/install_deps.sh
build
mpirun=$(command -v mpirun.openmpi || command -v mpirun) || fail "no mpirun on the PATH: install openmpi-bin"
for name in $(compgen -e | grep '^LONGHAUL_' || true); do unset "$name"; done  # a user's settings are not the demo's
write_config
limit=$((240 + 6 * steps + 640 * (steps + 12) / rate_mbit))  # several times what two slow cores need
arguments=(--emulated --steps "$steps" --timing-rounds "$timing_rounds" --rtt-ms "$rtt_ms" --rate-mbit "$rate_mbit")
[ -r /usr/share/common-licenses/GPL-3 ] || arguments+=(--text LICENSE)  # not a Debian: the repository's own text
printf 'sites: wisconsin and atlanta, 2 ranks each, %d ms and %d Mbit/s between them (%s)\n' \
  "$rtt_ms" "$rate_mbit" "$demo/two_sites.toml"
live=()
if [ -t 1 ]; then live=(--live-line); fi
start_site atlanta "${arguments[@]}" >"$demo/atlanta.log" 2>&1
start_site wisconsin "${arguments[@]}" --result "$demo/result.json" "${live[@]}" 2>"$demo/wisconsin.err"
wait_for_sites
children=()
printf '\nresult: %s, logs beside it. Took %d s.\n' "$demo/result.json" "$SECONDS"
