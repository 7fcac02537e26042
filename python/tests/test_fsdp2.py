# SPDX-License-Identifier: Apache-2.0
"""FSDP2 of two sites of two ranks over Longhaul: the losses of a flat job, equal replicas, accumulation, resuming, refusals."""
import importlib.util
import os
import subprocess
import sys
import unittest
from pathlib import Path

from test_bring_up import Secret

CHECKED = """\
i8 equal False near True
calls every 30
calls sync 10
calls rows 10
plain equal True overlapped 10
twice equal True overlapped 10
bf16 equal True overlapped 0
RuntimeError placed (to_empty, load_state_dict(assign=True)), or with overlap=False
attached again 1
f4 resumed with feedback True True
f4 resumed without feedback False False
states 5 0
r2 resumed with feedback True True
r2 resumed without feedback False False
states 5 0
ReplicaMismatchError the replicas differ in layers.0.weight (equal on rank 0; equal on rank 2),
ValueError the model has no FSDP module: call torch.distributed.fsdp.fully_shard on it
ValueError parameter extra belongs to no FSDP module: its gradient would stay this ran
ValueError parameter scale is on a mesh of shape (2, 1) as (Replicate(), Shard(dim=0))
ValueError this is rank 0 of 1 in the mesh of scale and rank {} of 2 in the communicato
"""
COMPARED = """\
near flat True
near flat every True
near flat sync True
near flat rows True
"""


@unittest.skipUnless(importlib.util.find_spec("torch"), "needs torch")
class Fsdp2(Secret):
    def test_two_sites(self):
        path, sites = self.file(), ",".join(f"{name}={address}" for name, address in self.sites().items())
        script = Path(__file__).resolve().parent / "fsdp2_rank.py"
        ranks = [subprocess.Popen([sys.executable, "-B", str(script), str(rank), str(path.parent), sites], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, env=dict(os.environ, GLOO_SOCKET_IFNAME="lo")) for rank in range(4)]
        said = [rank.communicate(timeout=140) for rank in ranks]
        for rank, (out, err) in enumerate(said):
            failed = "backward raised RemoteError\n" if rank < 2 else ""  # the other site aborts
            self.assertEqual(out, CHECKED.format(rank % 2) + failed + COMPARED, err)
        self.assertEqual([rank.returncode for rank in ranks], [0] * 4, said)


if __name__ == "__main__":
    unittest.main()
