# SPDX-License-Identifier: Apache-2.0
"""Who uses a communicator of the library now, and when may it be freed?

The C interface leaves that to its caller: memory freed under a call in flight would be a crash. Here, closing aborts the calls
of other threads and waits for them; buffers of requests live until their request has ended.
"""
import ctypes
import os
import threading
from typing import Any, List, Set

from ._errors import usage

_forks = 0


def _forked() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_forked)


class Handle:
    """One lhComm_t."""

    def __init__(self, library: ctypes.CDLL, comm: Any, keep: Any = None) -> None:
        self.functions = library
        self.comm = comm
        self.requests: Set[Any] = set()
        self._keep = keep  # what the library may still call
        self.plugins: List[Any] = []  # these too
        self._changed = threading.Condition()
        self._users = 0
        self._closed = False
        self._born = _forks

    @property
    def closed(self) -> bool:
        return self._closed

    def enter(self) -> None:
        """Before a call of the library with `comm`; leave() after it."""
        if self._born != _forks:
            raise usage("the communicator belongs to the parent process: its threads do not exist after a fork. Create one here")
        with self._changed:
            if self._closed:
                raise usage("the communicator is closed")
            self._users += 1

    def leave(self) -> None:
        with self._changed:
            self._users -= 1
            if self._closed:
                self._changed.notify_all()

    def close(self) -> None:
        """Frees the communicator, once. Blocks up to about 10 s. In a forked child it does nothing."""
        if self._born != _forks:
            return
        with self._changed:
            if self._closed:
                return
            self._closed = True
            if self._users:
                self.functions.lhCommAbort(self.comm)
            while self._users:
                self._changed.wait()
        self.functions.lhCommDestroy(self.comm)
        for request in list(self.requests):
            request._end()
        self._keep = None
