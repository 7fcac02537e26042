# SPDX-License-Identifier: Apache-2.0
"""Calls that are issued together."""
import threading
from typing import Any, List, Optional, Tuple

from . import _library
from ._abi import Result
from ._errors import from_result


class Calls(threading.local):
    """This thread's group."""

    def __init__(self) -> None:
        self.depth = 0
        self.held: List[Tuple[Any, Any]] = []  # (communicator, its buffers) of calls that run until the group ends

    def has(self, communicator: Any) -> bool:
        return any(held is communicator for held, _ in self.held)


current = Calls()


class group:
    """Context manager: this thread's collectives inside it are issued together, and its end blocks until all of them are done.

    Needed where one thread drives several communicators (`loopback`): one by one, the first would wait for the others for ever.
    Buffers hold their results after the end only. Groups nest; the outermost end waits. The end raises the first `Error`. Where the
    body raises, what was issued is still waited for (by its deadline), and the body's exception goes on.
    """

    def __enter__(self) -> "group":
        self._library = _library.load()
        self._library.lhGroupStart()
        current.depth += 1
        return self

    def __exit__(self, kind: Optional[type], *_: Any) -> None:
        current.depth -= 1
        try:
            result = self._library.lhGroupEnd()
            error = None if result == Result.SUCCESS else from_result(self._library, result)
        finally:
            if current.depth == 0:
                held, current.held = current.held, []
                for communicator, _buffers in held:
                    communicator._handle.leave()
        if error is not None and kind is None:
            raise error
