# SPDX-License-Identifier: Apache-2.0
"""One all-reduce in flight."""
import ctypes
import threading
from typing import Any, Optional

from ._abi import Result
from ._errors import Error, from_result
from ._handle import Handle


class Request:
    """An all-reduce that was issued and may not have ended. Made by `Communicator.all_reduce_async`.

    Its buffers are kept alive until it has ended and wait() was called, or the communicator is closed; their contents must stay
    untouched for as long. So wait for every request. Any thread may test and wait.
    """

    def __init__(self, handle: Handle, pointer: Any, buffers: Any) -> None:
        self._handle = handle
        self._pointer: Optional[Any] = pointer
        self._buffers = buffers
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._error: Optional[Error] = None
        handle.requests.add(self)

    def test(self) -> bool:
        """Whether the operation has ended, well or not: wait() then returns or raises at once. Never blocks."""
        with self._lock:
            if self._pointer is None:
                return self._ended.is_set()
            done = ctypes.c_int()
            self._handle.functions.lhRequestTest(self._pointer, ctypes.byref(done))
            return done.value != 0

    def wait(self) -> None:
        """Blocks until the operation has ended, by its deadline at the latest. Raises its `Error`, every time."""
        self._end()
        if self._error is not None:
            raise self._error

    def _end(self) -> None:
        with self._lock:
            pointer, self._pointer = self._pointer, None
        if pointer is None:
            self._ended.wait()
            return
        library = self._handle.functions
        result = library.lhRequestWait(pointer)
        if result != Result.SUCCESS:
            self._error = from_result(library, result)
        self._buffers = None
        self._handle.requests.discard(self)
        self._ended.set()
