# SPDX-License-Identifier: Apache-2.0
# Sourced by a batch script, where the scheduler chooses the node of rank 0: exchanges the addresses of the sites and sets LONGHAUL_SITES.
#   RENDEZVOUS=/shared/llama-7 SITES="wisconsin atlanta" PORT=47000; . addresses.sh
# RENDEZVOUS is a folder of this job that both clusters see, a new one at every start (an old address would be believed).
mkdir -p "$RENDEZVOUS"
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
host=$(scontrol show node "$first" | sed -n 's/.*NodeAddr=\([^ ]*\).*/\1/p') # as this cluster knows it: the others must reach it too
echo "$host:${PORT:-47000}" >"$RENDEZVOUS/.$LONGHAUL_SITE" && mv "$RENDEZVOUS/.$LONGHAUL_SITE" "$RENDEZVOUS/$LONGHAUL_SITE.address"
LONGHAUL_SITES=
for site in $SITES; do
  until [ -s "$RENDEZVOUS/$site.address" ]; do sleep 1; done
  LONGHAUL_SITES+="${LONGHAUL_SITES:+,}$site=$(cat "$RENDEZVOUS/$site.address")"
done
export LONGHAUL_SITES
