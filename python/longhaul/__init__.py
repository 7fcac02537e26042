# SPDX-License-Identifier: Apache-2.0
"""Longhaul: all-reduce for training jobs that span datacenters, from Python.

    import longhaul
    with longhaul.Communicator("job.toml", site="atlanta") as comm:
        comm.all_reduce(gradients, op="avg", codec="i8")

The C library is loaded at the first call: from LONGHAUL_LIBRARY (a file or an installation's prefix), else from inside the
package, else by the system's loader.
"""
import ctypes as _ctypes
from typing import Tuple

from . import _library
from ._abi import Codec, DataType, Op, Result, Scope
from ._communicator import Communicator
from ._errors import (AbortedError, AuthenticationError, Error, InvalidArgumentError, InvalidUsageError, RemoteError, SiteLostError,
                      TimedOutError, UnsupportedError)
from ._group import group
from ._library import LibraryNotFoundError
from ._loopback import Communicators, loopback
from ._request import Request
from ._stats import Stats

__version__ = "0.1.0"
__all__ = [
    "AbortedError", "AuthenticationError", "Codec", "Communicator", "Communicators", "DataType", "Error", "InvalidArgumentError",
    "InvalidUsageError", "LibraryNotFoundError", "Op", "RemoteError", "Request", "Result", "Scope", "SiteLostError", "Stats",
    "TimedOutError", "UnsupportedError", "group", "get_version", "loopback"]


def get_version() -> Tuple[int, int, int]:
    """(major, minor, patch) of the C library. Raises LibraryNotFoundError."""
    version = _ctypes.c_int()
    _library.load().lhGetVersion(_ctypes.byref(version))
    return version.value // 10000, version.value // 100 % 100, version.value % 100
