# SPDX-License-Identifier: Apache-2.0
"""How do the gradients of DistributedDataParallel cross the WAN?"""
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, Optional, Tuple, Union

import torch
import torch.distributed

from .._abi import Codec
from .._communicator import Communicator
from .._errors import Error
from .._request import Request
from ._options import HookState, tag_of
from ._replicas import verify_layout


class DdpState(HookState):
    """What `ddp_hook` needs: the communicator, and how its all-reduces are called (see `Communicator.all_reduce`).

    The model's process group has all of the communicator's ranks, or those of this site. One state a model; name: of the model, where
    several use one communicator. `error` is the first failure of the communicator in a hook: backward() raises a RuntimeError with its text.
    """

    def __init__(self, communicator: Communicator, *, codec: Union[str, int, Codec] = "default", error_feedback: bool = False,
                 timeout: Optional[float] = None, name: str = "") -> None:
        super().__init__(communicator, codec, error_feedback, timeout)
        self._name = name
        self._places: Dict[int, int] = {}  # of parameters by their identity, in the order in which buckets first brought them
        self._buckets: Dict[int, Tuple[List[int], int]] = {}  # by index: identities of the parameters, and the tag
        self._waiter = ThreadPoolExecutor(1, "longhaul-ddp")

    def _tag(self, bucket: Any) -> int:
        """Of this bucket; a new one where DDP has rebuilt its buckets, as what was lost of other parameters must not be added to these."""
        parameters = bucket.parameters()
        identities = [id(parameter) for parameter in parameters]
        known = self._buckets.get(bucket.index())
        if known is not None and known[0] == identities:
            return known[1]
        places = [self._places.setdefault(identity, len(self._places)) for identity in identities]
        tag = tag_of("ddp", self._name, bucket.index(), places, [tuple(parameter.shape) for parameter in parameters])
        verify_layout(self.communicator, [f"{bucket.index()} {tag}"])  # DDP agrees on the order of its buckets inside its own group only
        if known is not None:
            self.communicator.reset_feedback(known[1])
        self._buckets[bucket.index()] = identities, tag
        return tag

    def _end(self, request: Request, ended: Any) -> None:
        try:
            self.wait(request)
        except Error:
            pass
        ended.set_result(None)


def ddp_hook(state: DdpState, bucket: torch.distributed.GradBucket) -> torch.futures.Future[torch.Tensor]:
    """Averages a bucket of gradients over all ranks of all sites, in place. For register_comm_hook.

    Issues the all-reduce and returns its future at once, so backward() goes on while the bucket crosses the WAN; the library adds up inside
    the site first. Buckets come in the same order on all ranks. Under no_sync() DDP does not call it. On a GPU the optimizer's stream waits
    for the buckets, and nobody else; what failed is raised by the next bucket's call, and by `Communicator.ready`.
    """
    gradients, tag = bucket.buffer(), state._tag(bucket)
    if state.streams:
        with state.streams.beside():
            state.issue_in_stream(gradients, "default", tag)
            return state.streams.future(gradients)
    request = state.issue(gradients, "default", tag)
    ended: Any = torch.futures.Future()

    def result(_: Any) -> Any:
        request.wait()  # has ended: returns, or raises what happened
        return gradients

    future = ended.then(result)
    state._waiter.submit(state._end, request, ended)
    return future
