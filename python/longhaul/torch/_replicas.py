# SPDX-License-Identifier: Apache-2.0
"""Do all sites hold the same bits?"""
import ctypes
import hashlib
from typing import Dict, Iterable, List, Mapping, Sequence, Tuple, Union

import torch
from torch.distributed.tensor import DTensor

from .._communicator import Communicator

_DIGEST = 32


class ReplicaMismatchError(RuntimeError):
    """Replicas differ. The text names the first tensors that do and the ranks that hold the same."""


def verify_replicas(model: Union[torch.nn.Module, Mapping[str, torch.Tensor]], communicator: Communicator, *, buffers: bool = False) -> None:
    """Called by all ranks: raises ReplicaMismatchError on every rank unless all hold the same bits. Blocks.

    model: a module, of which the parameters are compared and with `buffers` its buffers too, or tensors by name. Of a DTensor (FSDP2) every
    rank holds a part: compared are the ranks of equal place in their sites. Only SHA-256 digests cross the WAN: 32 bytes a tensor and
    rank. The communicator stays usable.
    """
    if isinstance(model, torch.nn.Module):
        named: List[Tuple[str, torch.Tensor]] = list(model.named_parameters()) + (list(model.named_buffers()) if buffers else [])
    else:
        named = list(model.items())
    verify_layout(communicator, [f"{name} {tuple(tensor.shape)} {tensor.dtype} {isinstance(tensor, DTensor)}" for name, tensor in named])
    names = [name for name, _ in named]
    parts = [name for name, tensor in named if isinstance(tensor, DTensor)]
    _compare(communicator, [_digest(tensor) for _, tensor in named], names, parts)


def verify_layout(communicator: Communicator, lines: Sequence[str]) -> None:
    """Raises ReplicaMismatchError unless all ranks bring the same lines, one a tensor."""
    _compare(communicator, [hashlib.sha256("\n".join(lines).encode()).digest()], ["the names, shapes or types of the tensors"], [])


def _digest(tensor: torch.Tensor) -> bytes:
    local = tensor.detach().to_local() if isinstance(tensor, DTensor) else tensor.detach()
    flat = local.to("cpu").contiguous().resolve_neg()
    size = flat.numel() * flat.element_size()
    memory = (ctypes.c_char * size).from_address(flat.data_ptr()) if size else b""
    return hashlib.sha256(memory).digest()


def _compare(communicator: Communicator, digests: List[bytes], names: List[str], parts: Sequence[str]) -> None:
    mine = communicator.site_rank.to_bytes(4, "little") + b"".join(digests)
    everything = bytearray(len(mine) * communicator.size)
    communicator.all_gather(mine, everything)
    of_rank = [bytes(everything[at:at + len(mine)]) for at in range(0, len(everything), len(mine))]
    rails: Dict[bytes, List[int]] = {}
    for rank, entry in enumerate(of_rank):
        rails.setdefault(entry[:4], []).append(rank)
    everyone, split = [list(range(communicator.size))], set(parts)
    different = []
    for i, name in enumerate(names):
        digest = [entry[4 + i * _DIGEST:][:_DIGEST] for entry in of_rank]
        for ranks in rails.values() if name in split else everyone:
            if len({digest[rank] for rank in ranks}) > 1:
                different.append(f"{name} ({'; '.join(_same(ranks, digest))})")
    if different:
        more = f", and {len(different) - 3} more" if len(different) > 3 else ""
        raise ReplicaMismatchError(f"the replicas differ in {', '.join(different[:3])}{more}")


def _same(ranks: List[int], digests: List[bytes]) -> Iterable[str]:
    for value in dict.fromkeys(digests[rank] for rank in ranks):
        same = [str(rank) for rank in ranks if digests[rank] == value]
        yield f"equal on {'ranks' if len(same) > 1 else 'rank'} {', '.join(same)}"
