# SPDX-License-Identifier: Apache-2.0
"""What longhaul.torch refuses of a communicator on a GPU, on the double of CUDA and NCCL: PyTorch itself has no GPU here. Run by test_gpu.py."""
import os
import unittest

import support  # noqa: F401  (finds the package)
import torch
import torch.distributed as dist
from torch.distributed.fsdp import fully_shard

import longhaul
import longhaul.torch
from longhaul.torch import _backend


class Refusals(unittest.TestCase):
    def test_fsdp2_on_other_memory(self):
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        self.addCleanup(dist.destroy_process_group)
        net = fully_shard(torch.nn.Linear(4, 4))
        with longhaul.loopback([1, 1], device=0) as ranks:
            with self.assertRaisesRegex(TypeError, "the mesh of parameter weight is of cpu, but the communicator works on GPU 0: make it with device=-1"):
                longhaul.torch.attach_fsdp2(net, ranks[0])

    def test_the_backend(self):
        self.assertEqual([_backend._device(given) for given in (None, torch.device("cpu"), torch.device("cuda", 3))], [-1, -1, 3])
        for wrong in ("cuda", torch.device("meta"), 3):
            with self.assertRaisesRegex(TypeError, "is a longhaul.Communicator, a torch.device .cpu, cuda. or None, not"):
                _backend._device(wrong)
        with longhaul.loopback([1, 1], device=0) as ranks:
            group = longhaul.torch.ProcessGroup(ranks[0], range(2), owned=False)
            with self.assertRaisesRegex(TypeError, "a tensor is on meta, but this group of the backend longhaul works on cuda:0"):
                group.allreduce([torch.ones(1, device="meta")])


if __name__ == "__main__":
    unittest.main()
