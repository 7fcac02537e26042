# SPDX-License-Identifier: Apache-2.0
"""How does the caller's stream go on while calls of a device communicator cross the WAN?

A call holds up the stream it is in until it is done. So calls go in streams of their own, which wait for the caller's first; a few in turn,
so that several calls cross the WAN at once. They still begin in the order in which they were issued, at all ranks the same.
"""
import contextlib
from typing import Any, Callable, Iterator, List, Optional, Sequence

import torch
import torch.distributed as dist

from .._communicator import Communicator
from .._errors import Error

_STREAMS = 4  # a GPU has eight queues for the streams of one priority, and a waiting stream holds back what is behind it in its queue


class Streams:
    """Of one communicator."""

    def __init__(self, communicator: Communicator) -> None:
        self._communicator = communicator
        self.device = torch.device("cuda", communicator.device)
        self._all: List[Any] = []
        self._calls = 0

    def next(self) -> Any:
        """The stream whose turn it is."""
        if not self._all:
            self._all = [torch.cuda.Stream(self.device) for _ in range(_STREAMS)]
        self._calls += 1
        return self._all[self._calls % _STREAMS]

    @contextlib.contextmanager
    def beside(self) -> Iterator[Any]:
        """Inside, the current stream is one of these, behind what the caller's current stream has now."""
        side = self.next()
        side.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(side):
            yield side

    def future(self, value: Any) -> Any:
        """Of what is in the current stream: waiting for it holds up the waiter's stream, not the waiter."""
        made: Any = torch.futures.Future(devices=[self.device])
        made.set_result(value)
        return made

    def run(self, function: Callable[[], Any], results: List[torch.Tensor], others: Sequence[Sequence[torch.Tensor]] = (),
            block: bool = False) -> "StreamWork":
        """function() issues calls and what belongs to them. Uses these tensors of the caller's."""
        with self.beside() as side:
            function()
            for tensors in (results, *others):
                for tensor in tensors:
                    if tensor.is_cuda:
                        tensor.record_stream(side)
            return StreamWork(self._communicator, self.device, results, side.record_event(), self.future(results), block)

    def all_so_far(self) -> "StreamWork":
        """Ends when all calls issued before have."""
        def wait() -> None:
            for stream in self._all:
                torch.cuda.current_stream(self.device).wait_stream(stream)
        return self.run(wait, [])


class StreamWork(dist.Work):
    """A call in a stream. wait() holds up the waiter's current stream; with `block` the waiter too, as for a barrier."""

    def __init__(self, communicator: Communicator, device: torch.device, results: List[torch.Tensor], event: Any, future: Any, block: bool) -> None:
        super().__init__()
        self._communicator, self._device, self._results = communicator, device, results
        self._event, self._future, self._block = event, future, block

    def wait(self, timeout: Any = None) -> bool:
        """Raises the communicator's error where it has failed by now. Later calls on it raise what happens afterwards."""
        torch.cuda.current_stream(self._device).wait_event(self._event)
        if self._block:
            self._event.synchronize()
        self._communicator.ready()
        return True

    def synchronize(self) -> None:
        self.wait()

    def is_completed(self) -> bool:
        return self._event.query()

    def is_success(self) -> bool:
        return self._event.query() and self.exception() is None

    def exception(self) -> Optional[BaseException]:
        try:
            self._communicator.ready()
        except Error as error:
            return error
        return None

    def result(self) -> List[torch.Tensor]:
        return self._results

    def get_future(self) -> Any:
        return self._future
