# SPDX-License-Identifier: Apache-2.0
"""What do a process group's callers pass, and how does the communicator take it?"""
from typing import Any, List

import torch
import torch.distributed as dist

_OPS = {dist.ReduceOp.SUM: "sum", dist.ReduceOp.AVG: "avg", dist.ReduceOp.PRODUCT: "prod", dist.ReduceOp.MIN: "min", dist.ReduceOp.MAX: "max"}


def op_of(opts: Any) -> str:
    op = getattr(opts, "reduceOp", opts)
    for known, name in _OPS.items():
        if op == known:
            return name
    raise ValueError(f"the backend longhaul does not reduce by {op}: use SUM, AVG, PRODUCT, MIN or MAX")


def as_list(tensors: Any) -> List[torch.Tensor]:
    return [tensors] if isinstance(tensors, torch.Tensor) else list(tensors)


def dense_on(device: torch.device, tensor: torch.Tensor) -> torch.Tensor:
    """Itself, or a copy that is contiguous and there."""
    if tensor.is_contiguous() and not tensor.is_neg() and tensor.device == device:
        return tensor
    return tensor.detach().contiguous().resolve_neg().to(device)
