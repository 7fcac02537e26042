# SPDX-License-Identifier: Apache-2.0
"""How does a hook call the communicator, and what is a bucket of gradients called?"""
import hashlib
from typing import Any, Callable, Optional, Union

from .. import _config
from .._abi import Codec
from .._communicator import Communicator
from .._errors import Error
from ._streams import Streams


class HookState:
    """The communicator, and how its all-reduces are called (see `Communicator.all_reduce`): `codec`, `error_feedback` and `timeout` may be
    changed between steps, the codec at all ranks alike. `error` is the first failure of the communicator in a hook."""

    def __init__(self, communicator: Communicator, codec: Union[str, int, Codec], error_feedback: bool, timeout: Optional[float]) -> None:
        _config.call_options(codec, "default", 1, timeout, error_feedback)  # what is wrong with them is said here, not in a backward()
        self.communicator = communicator
        self.codec = codec
        self.error_feedback = error_feedback
        self.timeout = timeout
        self.error: Optional[Error] = None
        self.streams = Streams(communicator) if communicator.device >= 0 else None

    def issue(self, gradients: Any, scope: str, tag: int) -> Any:
        """Begins to average `gradients` in place; the request."""
        return self._average(self.communicator.all_reduce_async, gradients, scope, tag)

    def issue_in_stream(self, gradients: Any, scope: str, tag: int) -> None:
        """Averages `gradients` of a GPU in place, in torch's current stream. A failure after that is raised by the next call."""
        self._average(self.communicator.all_reduce, gradients, scope, tag)

    def _average(self, call: Callable[..., Any], gradients: Any, scope: str, tag: int) -> Any:
        try:
            return call(gradients, op="avg", codec=self.codec, scope=scope, tag=tag, timeout=self.timeout, error_feedback=self.error_feedback)
        except Error as error:
            self.error = self.error or error
            raise

    def wait(self, request: Any) -> None:
        try:
            request.wait()
        except Error as error:
            self.error = self.error or error
            raise


def tag_of(*name: Any) -> int:
    """A tag that is the same in every process and after a restart; error feedback is kept by it."""
    return int.from_bytes(hashlib.blake2b(repr(name).encode(), digest_size=8).digest(), "little") or 1
