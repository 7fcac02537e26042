# SPDX-License-Identifier: Apache-2.0
"""DistributedDataParallel of two processes over Longhaul: the same bits as with gloo, accumulation, error feedback by bucket and in a checkpoint,
replicas compared, failures raised."""
import importlib.util
import os
import subprocess
import sys
import unittest
from pathlib import Path

from test_bring_up import Secret


@unittest.skipUnless(importlib.util.find_spec("torch"), "needs torch")
class Ddp(Secret):
    def test_two_sites(self):
        path, sites = self.file(), ",".join(f"{name}={address}" for name, address in self.sites().items())
        script = Path(__file__).resolve().parent / "ddp_rank.py"
        ranks = [subprocess.Popen([sys.executable, "-B", str(script), str(rank), str(path.parent), sites], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, env=dict(os.environ, GLOO_SOCKET_IFNAME="lo")) for rank in range(2)]
        said = [rank.communicate(timeout=120) for rank in ranks]
        common = ["equal to gloo True", "equal to i8 False", "near i8 True", "verified",
                  "the replicas differ in module.2.weight (equal on rank 0; equal on rank 1)",
                  "the replicas differ in the names, shapes or types of the tensors (equal on rank 0; equal on rank 1)",
                  "the replicas differ in a (equal on rank 0; equal on rank 1)", "no_sync True True", "a group a site True",
                  "rebuilt 1 2 set()", "resumed True", "resumed False"]
        for rank, (out, err) in enumerate(said):
            lines = out.splitlines()
            self.assertGreater(int(lines[0].split()[1]) if lines else 0, 6, err)  # 4 steps, of several buckets once DDP has ordered them
            self.assertEqual(lines[1:], common + (["backward raised True RemoteError"] if rank == 0 else []), err)
        self.assertEqual([rank.returncode for rank in ranks], [0, 0], said)


if __name__ == "__main__":
    unittest.main()
