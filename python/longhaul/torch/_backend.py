# SPDX-License-Identifier: Apache-2.0
"""How does a process group of the backend "longhaul" come to its communicator?

By the job's own store: its ranks tell each other their sites there, and the ranks of a site meet there. Sites' addresses and everything
else are Longhaul's own configuration (LONGHAUL_CONFIG, LONGHAUL_SITE, ...).
"""
import datetime
import os
import time
from typing import Any, Callable, List, Sequence, Tuple

import torch
import torch.distributed as dist

from .._communicator import Communicator
from ._process_group import ProcessGroup

_TURN = "longhaul/turn"  # whose bring-up it is: the sites' addresses are listened at by one at a time


def create(options: Any, pg_options: Any = None) -> Any:
    """For register_backend: a group over the communicator that pg_options is, else over one made here, on the GPU that pg_options is (a
    torch.device) or that torch uses. Where all ranks are of one site PyTorch's own, gloo for CPU tensors and NCCL on GPUs."""
    if isinstance(pg_options, Communicator):
        if (pg_options.rank, pg_options.size) != (options.group_rank, options.group_size):
            raise ValueError(f"the process group has this as rank {options.group_rank} of {options.group_size}, the communicator in pg_options as "
                             f"rank {pg_options.rank} of {pg_options.size}: pass rank=comm.rank, world_size=comm.size")
        return ProcessGroup(pg_options, range(pg_options.size), owned=False)
    device = _device(pg_options)
    site = os.environ.get("LONGHAUL_SITE", "")
    if not site:
        raise ValueError("LONGHAUL_SITE is not set: the backend longhaul needs the name of this rank's site there")
    store, rank = options.store, options.group_rank
    sites = [part.decode() for part in _exchange(store, "site", rank, range(options.group_size), site.encode())]
    if len(set(sites)) == 1:
        return _inside_a_site(options, device)
    here = [other for other, its in enumerate(sites) if its == site]
    wan = None if options.timeout == dist.default_pg_timeout else {"timeout": f"{max(1, int(options.timeout.total_seconds()))}s"}
    comm = _in_turn(store, rank, options.group_size, options.timeout,
                    lambda: Communicator(site=site, site_rank=here.index(rank), site_size=len(here), wan=wan, oob=_gather(store, rank, here),
                                         device=device))
    places = _exchange(store, "place", rank, range(options.group_size), str(comm.rank).encode())
    return ProcessGroup(comm, [int(place) for place in places], owned=True)


def _device(pg_options: Any) -> int:
    """-1: host memory."""
    if isinstance(pg_options, torch.device) and pg_options.type in ("cpu", "cuda"):
        if pg_options.type == "cpu":
            return -1
        return torch.cuda.current_device() if pg_options.index is None else pg_options.index
    if pg_options is not None:
        raise TypeError(f"pg_options of the backend longhaul is a longhaul.Communicator, a torch.device (cpu, cuda) or None, not {pg_options!r}")
    return torch.cuda.current_device() if torch.cuda.is_initialized() else -1


def _inside_a_site(options: Any, device: int) -> Any:
    group, kinds = dist.ProcessGroup(options.store, options.group_rank, options.group_size), dist.ProcessGroup.BackendType
    place = options.group_rank, options.group_size
    gloo = dist.ProcessGroupGloo(dist.PrefixStore("gloo", options.store), *place, options.timeout)
    gloo._set_sequence_number_for_group()
    group._set_default_backend(kinds.GLOO if device < 0 else kinds.NCCL)
    group._register_backend(torch.device("cpu"), kinds.GLOO, gloo)
    if device >= 0:
        settings = dist.ProcessGroupNCCL.Options()
        settings._timeout = options.timeout
        nccl = dist.ProcessGroupNCCL(dist.PrefixStore("nccl", options.store), *place, settings)
        nccl._set_sequence_number_for_group()
        group._register_backend(torch.device("cuda"), kinds.NCCL, nccl)
    return group


def _exchange(store: Any, what: str, rank: int, ranks: Sequence[int], mine: bytes) -> List[bytes]:
    store.set(f"longhaul/{what}/{rank}", mine)
    return [store.get(f"longhaul/{what}/{other}") for other in ranks]


def _gather(store: Any, rank: int, here: Sequence[int]) -> Callable[[bytes], List[bytes]]:
    """The communicator's all-gather inside the site."""
    calls = iter(range(1 << 30))
    return lambda mine: _exchange(store, f"gather/{next(calls)}", rank, here, mine)


def _in_turn(store: Any, rank: int, size: int, timeout: datetime.timedelta, bring_up: Callable[[], Communicator]) -> Communicator:
    """bring_up() of all ranks of this group while no other group of the job has its own: rails come up side by side, and the ranks 0 of
    their sites would listen at one address."""
    if rank == 0:
        turn, token = _take_turn(store, timeout)
        store.set("longhaul/go", "")
    store.wait(["longhaul/go"], timeout)
    try:
        return bring_up()
    finally:
        store.set(f"longhaul/done/{rank}", "")
        if rank == 0:
            try:
                store.wait([f"longhaul/done/{other}" for other in range(size)], timeout)
            finally:
                turn.compare_set(_TURN, token, "free")


def _take_turn(store: Any, timeout: datetime.timedelta) -> Tuple[Any, str]:
    base = store
    while isinstance(base, dist.PrefixStore):  # every group has its own prefix
        base = base.underlying_store
    token, deadline = f"{os.getpid()} {time.monotonic_ns()} {os.urandom(8).hex()}", time.monotonic() + timeout.total_seconds()
    base.compare_set(_TURN, "", "free")
    while base.compare_set(_TURN, "free", token) != token.encode():
        if time.monotonic() > deadline:
            raise TimeoutError("another group of the backend longhaul did not end its bring-up: see what its ranks say")
        time.sleep(0.02)
    return base, token
