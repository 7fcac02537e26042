#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian or Ubuntu packages that Longhaul is built with and that are missing; quick when none is.
#   scripts/install_deps.sh [more packages...]
# Uses sudo when not root and says so; where it may not install, it prints the command to run and fails. Tried names:
# Debian 12 and 13, Ubuntu 22.04 and 24.04.
set -euo pipefail

required=(cmake ninja-build g++ pkg-config git python3
  libucx-dev libopenmpi-dev openmpi-bin libssl-dev libfmt-dev libspdlog-dev libtomlplusplus-dev libcli11-dev
  nlohmann-json3-dev libxxhash-dev libhwy-dev libbenchmark-dev catch2 "$@")
# Come along where something required is missing; never worth asking for root alone, and not every release has all of them. ccache makes the second
# build faster, matplotlib draws reports (test.sh asks for it: their tests need it), libgloo-dev is only measured against.
# The last three make the Python wheel.
optional=(ccache python3-matplotlib libgloo-dev python3-pip python3-setuptools python3-wheel)

say() { printf 'packages: %s\n' "$*"; }

if ! command -v dpkg-query >/dev/null; then
  say "this is neither Debian nor Ubuntu, so nothing is installed. Needed are the equivalents of: ${required[*]}"
  exit 0
fi

release=
[ -r /etc/os-release ] && release=$(. /etc/os-release && printf '%s %s' "${ID:-}" "${VERSION_ID:-}")
# Its default compiler is GCC 11; Longhaul needs 12.
[ "$release" = "ubuntu 22.04" ] && required+=(g++-12)

# One query for all; a package that was removed but left its configuration does not count.
installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${required[@]}" "${optional[@]}" 2>/dev/null || true)
is_installed() { grep -qxF "installed $1" <<<"$installed"; }

missing=()
for package in "${required[@]}"; do
  is_installed "$package" || missing+=("$package")
done
# pkg-config became a name of pkgconf: either does.
if command -v pkg-config >/dev/null; then
  kept=()
  for package in "${missing[@]}"; do [ "$package" = pkg-config ] || kept+=("$package"); done
  missing=("${kept[@]}")
fi
if [ ${#missing[@]} -eq 0 ]; then
  say "all there"
  exit 0
fi

install="apt-get install -y --no-install-recommends ${missing[*]}"
refuse() {
  say "$1. Run this as root, then start again:" >&2
  printf '\n  apt-get update && %s\n\n' "$install" >&2
  exit 1
}

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || refuse "${#missing[@]} packages are missing, and installing them needs root"
  if ! sudo -n true 2>/dev/null; then
    [ -t 0 ] || refuse "${#missing[@]} packages are missing, and sudo would ask for a password but there is no terminal"
    say "installing needs root: sudo will ask for your password"
  fi
  as_root=(sudo)
fi
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@"; }
apt update || say "apt-get update failed; trying with the package lists that are here" >&2
for package in "${optional[@]}"; do
  if ! is_installed "$package" && apt-cache show "$package" >/dev/null 2>&1; then missing+=("$package"); fi
done
say "installing ${missing[*]}"
apt install -y --no-install-recommends "${missing[@]}" || refuse "apt-get could not install what is missing (see above)"
say "installed"
