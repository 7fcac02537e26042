# SPDX-License-Identifier: Apache-2.0
"""All ranks of a job in this process."""
import ctypes
from typing import Any, List, Sequence

from . import _config, _library
from ._abi import Result
from ._communicator import Communicator
from ._errors import from_result
from ._handle import Handle
from ._values import integer

_SANE_SITE = 1 << 16  # the library knows the real limits and names them


class Communicators(List[Communicator]):
    """All ranks of a loopback job, in rank order; `with` closes them all."""

    def close(self) -> None:
        for communicator in self:
            communicator.close()

    def __enter__(self) -> "Communicators":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def loopback(site_sizes: Sequence[int], *, config: Any = None, wan: _config.Text = None, device: int = -1) -> Communicators:
    """All ranks of sites of these sizes (1 to 8 sites) in this process: communicators in rank order. The WAN is in memory, shaped by
    wan's emulate_* keys, e.g. wan={"emulate_rtt": "15ms", "emulate_rate": "1gbit"}. Of the configuration only the file, wan and device
    count. device: -1, host memory; else the GPU of rank 0, and rank r has the r-th from there, counted round the machine (ranks of one
    site need GPUs of their own; ranks that share one need streams of their own). Drive each rank from a thread of its own, or all from one with `group`."""
    library = _library.load()
    sizes = [integer(size, "a site's size", 0, _SANE_SITE) for size in site_sizes]
    made, _ = _config.make(config, wan=wan, device=device)
    comms = (ctypes.c_void_p * (sum(sizes) + 1))()
    result = library.lhCommInitLoopback(comms, (ctypes.c_int * len(sizes))(*sizes), len(sizes), ctypes.byref(made))
    if result != Result.SUCCESS:
        raise from_result(library, result)
    made_all = Communicators()
    for pointer in comms[: sum(sizes)]:
        communicator = Communicator.__new__(Communicator)
        communicator._adopt(Handle(library, ctypes.c_void_p(pointer)))
        made_all.append(communicator)
    return made_all
