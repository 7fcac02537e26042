# SPDX-License-Identifier: Apache-2.0
"""Which exception says that a call failed?"""
import ctypes
from typing import Any

from ._abi import Result


class Error(RuntimeError):
    """A call that failed. str() is one line for the code, then the library's text, which names what went wrong.

    code: the `Result`. text: the library's own text alone.
    """

    def __init__(self, code: Result, text: str, summary: str = "") -> None:
        super().__init__(f"{summary or code.name.lower().replace('_', ' ')}: {text}")
        self.code = code
        self.text = text


class InvalidArgumentError(Error, ValueError):
    """Found before anything was sent; the communicator stays usable."""


class InvalidUsageError(Error):
    """Ranks disagree about a call, or a call is not allowed here."""


class RemoteError(Error):
    """Another rank failed, left, aborted or died."""


class TimedOutError(Error, TimeoutError):
    """The call's deadline passed; the text says who has not called."""


class SiteLostError(Error):
    """A site was unreachable for longer than wan.ride_through."""


class AuthenticationError(Error):
    """Another secret or run id."""


class AbortedError(Error):
    """abort() or close() on this communicator."""


class UnsupportedError(Error):
    """Not in this version of the library; the communicator stays usable."""


_CLASSES = {
    Result.INVALID_ARGUMENT: InvalidArgumentError,
    Result.INVALID_USAGE: InvalidUsageError,
    Result.REMOTE_ERROR: RemoteError,
    Result.TIMEOUT: TimedOutError,
    Result.SITE_LOST: SiteLostError,
    Result.AUTH_FAILED: AuthenticationError,
    Result.ABORTED: AbortedError,
    Result.UNSUPPORTED: UnsupportedError,
}


def usage(text: str) -> InvalidUsageError:
    """For what this package itself refuses."""
    return InvalidUsageError(Result.INVALID_USAGE, text)


def from_result(library: ctypes.CDLL, result: int, comm: Any = None) -> Error:
    """The exception for `result`, to be made on the thread that made the call and before its next one: the text is that of
    this thread's last failure, with `comm` of that communicator's."""
    summary = library.lhGetErrorString(result).decode(errors="replace")
    text = library.lhGetLastError(comm).decode(errors="replace")
    try:
        code = Result(result)
    except ValueError:  # a newer library of the same version line
        code = Result.INTERNAL_ERROR
        summary += f" ({result})"
    return _CLASSES.get(code, Error)(code, text, summary)
