# SPDX-License-Identifier: Apache-2.0
"""What carries the gradients: torch's gloo over both sites, or Longhaul between the sites. One interface for both."""
import hashlib
import os

import torch
import torch.distributed as dist
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks
from torch.nn.parallel import DistributedDataParallel

FLAT = ("gloo", "gloo-bf16")
CODECS = ("none", "lossless", "bf16", "i8", "r4", "f4", "r2")
MODES = FLAT + CODECS + tuple(f"{codec}+ef" for codec in CODECS[2:])  # +ef: with error feedback


def make(mode, bucket_mb, fsdp):
    dist.init_process_group("gloo")  # RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT say of what: both sites, or this one
    if mode not in FLAT:
        return AcrossSites(mode, bucket_mb, fsdp)
    if fsdp:
        raise SystemExit(f"--fsdp needs a mode of Longhaul: {mode} is plain DistributedDataParallel")
    return Flat(mode, bucket_mb)


def bf16_hook(group, bucket):
    """torch's own, by another name: DistributedDataParallel refuses that name on the CPU, where gloo can do it."""
    return default_hooks.bf16_compress_hook(group, bucket)


class Flat:
    """The baseline: one job, its process group spans both sites, buckets overlap with backward()."""

    def __init__(self, mode, bucket_mb):
        self.rank, self.size, self.mode, self.bucket_mb = dist.get_rank(), dist.get_world_size(), mode, bucket_mb

    def wrap(self, model):
        wrapped = DistributedDataParallel(model, bucket_cap_mb=self.bucket_mb, gradient_as_bucket_view=True)
        if self.mode == "gloo-bf16":
            wrapped.register_comm_hook(dist.group.WORLD, bf16_hook)
        return wrapped

    def sum(self, values):
        dist.all_reduce(values)

    def verify(self, model):
        digest = hashlib.sha256()
        for parameter in model.parameters():
            digest.update(parameter.detach().numpy().tobytes())
        mine = torch.frombuffer(bytearray(digest.digest()), dtype=torch.uint8)
        everything = [torch.empty_like(mine) for _ in range(self.size)]
        dist.all_gather(everything, mine)
        if any(not torch.equal(mine, other) for other in everything):
            raise SystemExit("the replicas differ")

    def close(self):
        dist.barrier()


class AcrossSites:
    """Each site is a job of its own with a process group of its own; only Longhaul crosses the WAN."""

    def __init__(self, mode, bucket_mb, fsdp):
        import longhaul
        import longhaul.torch

        self.torch, self.bucket_mb, self.fsdp = longhaul.torch, bucket_mb, fsdp
        codec, _, feedback = mode.partition("+")
        self.options = {"codec": codec, **({"error_feedback": True} if feedback else {})}
        self.comm = longhaul.Communicator(os.environ.get("LONGHAUL_CONFIG"))
        self.rank, self.size = self.comm.rank, self.comm.size

    def wrap(self, model):
        if self.fsdp:
            from torch.distributed.fsdp import fully_shard

            for block in model.blocks:
                fully_shard(block)
            fully_shard(model)
            self.torch.attach_fsdp2(model, self.comm, **self.options)
            return model
        # Inside the site only parameters of the start and the order of buckets use the process group; gradients go by the hook.
        wrapped = DistributedDataParallel(model, bucket_cap_mb=self.bucket_mb, gradient_as_bucket_view=True)
        wrapped.register_comm_hook(self.torch.DdpState(self.comm, **self.options), self.torch.ddp_hook)
        return wrapped

    def sum(self, values):
        self.comm.all_reduce(values, codec="none")  # a loss is no gradient: never compressed

    def verify(self, model):
        if self.fsdp:
            model.reshard()  # validation leaves the root's parameters gathered
        self.torch.verify_replicas(model, self.comm)

    def close(self):
        self.comm.finalize()
        self.comm.close()
