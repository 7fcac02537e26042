# SPDX-License-Identifier: Apache-2.0
"""Longhaul under PyTorch, on CPUs and GPUs (docs/python.md): FSDP2 and DistributedDataParallel over several sites, the backend "longhaul" of
torch.distributed, a check that replicas are equal.

    longhaul.torch.attach_fsdp2(model, comm, codec="i8")          # after fully_shard, one torchrun job a site

    state = longhaul.torch.DdpState(comm, codec="i8")
    model.register_comm_hook(state, longhaul.torch.ddp_hook)
"""
from .. import _torch_entry
from ._ddp import DdpState, ddp_hook
from ._fsdp2 import Fsdp2State, attach_fsdp2
from ._process_group import ProcessGroup
from ._replicas import ReplicaMismatchError, verify_replicas

__all__ = ["DdpState", "Fsdp2State", "ProcessGroup", "ReplicaMismatchError", "attach_fsdp2", "ddp_hook", "verify_replicas"]

_torch_entry.register()
