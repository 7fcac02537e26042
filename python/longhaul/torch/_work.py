# SPDX-License-Identifier: Apache-2.0
"""How do a process group's calls run while its caller goes on?

One thread issues them in the order in which they were called, as all ranks must; reductions are waited for by a second one, so that
several cross the WAN at once.
"""
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, List, Optional

import torch
import torch.distributed as dist


class Work(dist.Work):
    """A call that may not have ended. wait() raises what happened."""

    def __init__(self, results: List[torch.Tensor]) -> None:
        super().__init__()
        self._results = results
        self._ended: Future = Future()
        self._future: Any = torch.futures.Future()
        self._answer = self._future.then(self._tensors)

    def _tensors(self, _: Any) -> List[torch.Tensor]:
        self._ended.result()
        return self._results

    def _end(self, error: Optional[BaseException] = None) -> None:
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)
        self._future.set_result(None)

    def wait(self, timeout: Any = None) -> bool:
        """timeout: a timedelta; none and 0 are no limit of its own."""
        self._ended.result(timeout.total_seconds() if timeout else None)
        return True

    def synchronize(self) -> None:
        self.wait()

    def is_completed(self) -> bool:
        return self._ended.done()

    def is_success(self) -> bool:
        return self._ended.done() and self._ended.exception() is None

    def exception(self) -> Optional[BaseException]:
        return self._ended.exception() if self._ended.done() else None

    def result(self) -> List[torch.Tensor]:
        return self._results

    def get_future(self) -> Any:
        return self._answer


class Queue:
    """The two threads."""

    def __init__(self) -> None:
        self._issuer = ThreadPoolExecutor(1, "longhaul-issue")
        self._waiter = ThreadPoolExecutor(1, "longhaul-wait")

    def run(self, function: Callable[[], Any], results: List[torch.Tensor]) -> Work:
        """function() blocks."""
        work = Work(results)
        self._issuer.submit(self._finish, work, [function])
        return work

    def reduce(self, issues: List[Callable[[], Callable[[], None]]], results: List[torch.Tensor]) -> Work:
        """Each of `issues` begins a reduction and returns what ends it."""
        work = Work(results)
        self._issuer.submit(self._issue, work, issues)
        return work

    def _issue(self, work: Work, issues: List[Callable[[], Callable[[], None]]]) -> None:
        ends: List[Callable[[], None]] = []
        error: Optional[BaseException] = None
        for issue in issues:
            try:
                ends.append(issue())
            except Exception as raised:
                error = raised
                break
        self._waiter.submit(self._finish, work, ends, error)

    @staticmethod
    def _finish(work: Work, ends: List[Callable[[], Any]], error: Optional[BaseException] = None) -> None:
        for end in ends:  # all of them: requests hold their memory until they were waited for
            try:
                end()
            except Exception as raised:
                error = error or raised
        work._end(error)

    def end(self) -> None:
        self._issuer.shutdown()
        self._waiter.shutdown()
