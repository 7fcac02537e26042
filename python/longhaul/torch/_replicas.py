# SPDX-License-Identifier: Apache-2.0
"""Do all sites hold the same bits?"""
import ctypes
import hashlib
from typing import Dict, Iterable, List, Mapping, Sequence, Tuple, Union

import torch
from torch.distributed.tensor import DTensor

from .._communicator import Communicator

_DIGEST = 32
_PIECE = 16 << 20


class ReplicaMismatchError(RuntimeError):
    """Replicas differ. The text names the first tensors that do and the ranks that hold the same."""


def verify_replicas(model: Union[torch.nn.Module, Mapping[str, torch.Tensor]], communicator: Communicator, *, buffers: bool = False) -> None:
    """Called by all ranks: raises ReplicaMismatchError on every rank unless all hold the same bits. Blocks.

    model: a module, of which the parameters are compared and with `buffers` its buffers too, or tensors by name. Of a DTensor (FSDP2) every
    rank holds a part: compared are the ranks of equal place in their sites. Only SHA-256 digests cross the WAN: 32 bytes a tensor and
    rank. Tensors on GPUs are copied to the host for them, 16 MiB at a time. The communicator stays usable.
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
    """What is on a GPU comes here in pieces, by torch's current stream: checking is exact, and takes no memory worth naming."""
    local = tensor.detach().to_local() if isinstance(tensor, DTensor) else tensor.detach()
    bytes_of = local.contiguous().resolve_conj().resolve_neg().reshape(-1).view(torch.uint8)
    found = hashlib.sha256()
    for at in range(0, bytes_of.numel(), _PIECE):
        piece = bytes_of[at:at + _PIECE].to("cpu")
        found.update((ctypes.c_char * piece.numel()).from_address(piece.data_ptr()))
    return found.digest()


def _all_gather(communicator: Communicator, mine: bytes) -> bytes:
    """Everybody's bytes, in the memory that the communicator works on."""
    if communicator.device < 0:
        everything = bytearray(len(mine) * communicator.size)
        communicator.all_gather(mine, everything)
        return bytes(everything)
    place = torch.device("cuda", communicator.device)
    send = torch.frombuffer(bytearray(mine), dtype=torch.uint8).to(place)
    recv = torch.empty(len(mine) * communicator.size, dtype=torch.uint8, device=place)
    communicator.all_gather(send, recv)
    gathered = recv.cpu()  # waits for the stream
    communicator.ready()
    return ctypes.string_at(gathered.data_ptr(), gathered.numel())


def _compare(communicator: Communicator, digests: List[bytes], names: List[str], parts: Sequence[str]) -> None:
    mine = communicator.site_rank.to_bytes(4, "little") + b"".join(digests)
    everything = _all_gather(communicator, mine)
    of_rank = [everything[at:at + len(mine)] for at in range(0, len(everything), len(mine))]
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
