#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a command at a site of the emulator as if the site were a machine: with a host name and System V and POSIX IPC of its own, so
# that libraries which look for ranks on the same machine find those of their own site only. Open MPI calls it instead of ssh.
#   site_shell.sh HOST COMMAND...     HOST: a site's name or address; WAN_SITES="site0=10.77.1.1 ...", WAN_EXEC="longhaul emulate exec --name N"
set -eu
host=$1
shift
for one in $WAN_SITES; do
  if [ "$host" = "${one%%=*}" ] || [ "$host" = "${one#*=}" ]; then
    # As ssh does it: the words are joined and a shell at the other end takes them apart again.
    exec $WAN_EXEC "${one%%=*}" -- unshare --uts --ipc -- sh -c "hostname ${one%%=*} && $*"
  fi
done
echo "site_shell.sh: there is no site '$host': there are $WAN_SITES" >&2
exit 1
