# SPDX-License-Identifier: Apache-2.0
"""Longhaul under PyTorch's DistributedDataParallel, on CPU tensors: a communication hook, and a check that replicas are equal.

    state = longhaul.torch.DdpState(comm, codec="i8")
    model.register_comm_hook(state, longhaul.torch.ddp_hook)
"""
import ctypes
import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Iterable, List, Mapping, Optional, Tuple, Union

import torch
import torch.distributed

from ._abi import Codec
from ._communicator import Communicator
from ._errors import Error
from ._request import Request

_DIGEST = 32


class ReplicaMismatchError(RuntimeError):
    """Replicas differ. The text names the first tensors that do and the ranks that hold the same."""


class DdpState:
    """What `ddp_hook` needs: the communicator, and how its all-reduces are called (see `Communicator.all_reduce`).

    The communicator's ranks must be the ranks of the model's process group, each once. `error` is the first failure of the communicator
    in a hook: backward() raises a RuntimeError with its text.
    """

    def __init__(self, communicator: Communicator, *, codec: Union[str, Codec] = "default", timeout: Optional[float] = None) -> None:
        self.communicator = communicator
        self.codec = codec
        self.timeout = timeout
        self.error: Optional[Error] = None
        self._waiter = ThreadPoolExecutor(1, "longhaul-ddp")

    def _wait(self, request: Request, ended: Any) -> None:
        try:
            request.wait()
        except Error as error:
            self.error = self.error or error
        ended.set_result(None)


def ddp_hook(state: DdpState, bucket: torch.distributed.GradBucket) -> torch.futures.Future[torch.Tensor]:
    """Averages a bucket of gradients over all ranks, in place. For register_comm_hook.

    Issues the all-reduce and returns its future at once, so backward() goes on while the bucket crosses the WAN; buckets come in the same
    order on all ranks. The tag is the bucket's index + 1.
    """
    gradients = bucket.buffer()
    request = state.communicator.all_reduce_async(gradients, op="avg", codec=state.codec, tag=bucket.index() + 1, timeout=state.timeout)
    ended: Any = torch.futures.Future()

    def result(_: Any) -> Any:
        request.wait()  # has ended: returns, or raises what happened
        return gradients

    future = ended.then(result)
    state._waiter.submit(state._wait, request, ended)
    return future


def verify_replicas(model: Union[torch.nn.Module, Mapping[str, torch.Tensor]], communicator: Communicator, *, buffers: bool = False) -> None:
    """Called by all ranks: raises ReplicaMismatchError on every rank unless all hold the same bits. Blocks.

    model: a module, of which the parameters are compared and with `buffers` its buffers too, or tensors by name. Only SHA-256 digests
    cross the WAN: 32 bytes a tensor and rank. The communicator stays usable.
    """
    if isinstance(model, torch.nn.Module):
        named: List[Tuple[str, torch.Tensor]] = list(model.named_parameters()) + (list(model.named_buffers()) if buffers else [])
    else:
        named = list(model.items())
    layout = "\n".join(f"{name} {tuple(tensor.shape)} {tensor.dtype}" for name, tensor in named)
    _compare(communicator, [hashlib.sha256(layout.encode()).digest()], ["the names, shapes or types of the tensors"])
    _compare(communicator, [_digest(tensor) for _, tensor in named], [name for name, _ in named])


def _digest(tensor: torch.Tensor) -> bytes:
    flat = tensor.detach().to("cpu").contiguous().resolve_neg()
    size = flat.numel() * flat.element_size()
    memory = (ctypes.c_char * size).from_address(flat.data_ptr()) if size else b""
    return hashlib.sha256(memory).digest()


def _compare(communicator: Communicator, digests: List[bytes], names: List[str]) -> None:
    mine = b"".join(digests)
    everything = bytearray(len(mine) * communicator.size)
    communicator.all_gather(mine, everything)
    different = []
    for i, name in enumerate(names):
        at = [bytes(everything[rank * len(mine) + i * _DIGEST:][:_DIGEST]) for rank in range(communicator.size)]
        if len(set(at)) > 1:
            different.append(f"{name} ({'; '.join(_ranks(at))})")
    if different:
        more = f", and {len(different) - 3} more" if len(different) > 3 else ""
        raise ReplicaMismatchError(f"the replicas differ in {', '.join(different[:3])}{more}")


def _ranks(digests: List[bytes]) -> Iterable[str]:
    for value in dict.fromkeys(digests):
        same = [str(rank) for rank, digest in enumerate(digests) if digest == value]
        yield f"equal on {'ranks' if len(same) > 1 else 'rank'} {', '.join(same)}"
