# SPDX-License-Identifier: Apache-2.0
"""lhConfig_t and lhCallConfig_t from what Python callers write."""
import ctypes
import math
import os
from typing import Any, Callable, Mapping, Optional, Sequence, Tuple, Union

from . import _abi
from ._codec_plugin import FIRST_NUMBER
from ._values import integer, named, names_of

Text = Union[str, Mapping[str, Any], None]
AllGather = Callable[[bytes], Sequence[bytes]]
_INT_MAX = 2**31 - 1

_CODECS, _CODEC_NAMES = names_of(_abi.Codec)
_SCOPES, _SCOPE_NAMES = names_of(_abi.Scope)
OPS, OP_NAMES = names_of(_abi.Op)


def _text(value: Any, what: str) -> Optional[bytes]:
    if value is None:
        return None
    data = os.fsencode(value) if what == "config" else str(value).encode()
    if b"\0" in data:
        raise ValueError(f"{what} contains a NUL character: {value!r}")
    return data


def _pairs(value: Text, what: str) -> Optional[bytes]:
    if isinstance(value, Mapping):
        value = ",".join(f"{key}={_plain(item)}" for key, item in value.items())
    return _text(value, what)


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class OobCall:
    """A Python all-gather behind lhOob_t. What it raises is kept: it cannot cross the C interface."""

    def __init__(self, gather: AllGather, site_size: int) -> None:
        self._gather = gather
        self._site_size = site_size
        self.error: Optional[BaseException] = None
        self._function = _abi.AllGatherFunction(self._call)
        self.oob = _abi.Oob(None, self._function)

    def _call(self, _context: Any, mine: Any, everything: Any, size: int) -> int:
        try:
            parts = [bytes(part) for part in self._gather(ctypes.string_at(mine, size) if size else b"")]
            if [len(part) for part in parts] != [size] * self._site_size:
                raise ValueError(f"oob returned parts of {[len(part) for part in parts]} bytes: needed are {self._site_size} of {size}, in "
                                 f"the order of the site's ranks")
            ctypes.memmove(everything, b"".join(parts), size * self._site_size)
            return 0
        except BaseException as error:  # also KeyboardInterrupt: becomes the cause of what the caller sees
            self.error = error
            return 1


def make(config: Any = None, run_id: Optional[str] = None, site: Optional[str] = None, site_rank: int = -1, site_size: int = -1,
         site_address: Optional[str] = None, sites: Text = None, wan: Text = None, oob: Optional[AllGather] = None,
         device: int = -1, blocking: bool = True) -> Tuple[_abi.Config, Optional[OobCall]]:
    """The structure, and what must live as long as the bring-up."""
    made = _abi.Config()
    made.file = _text(config, "config")
    made.runId = _text(run_id, "run_id")
    made.site = _text(site, "site")
    made.siteRank = integer(site_rank, "site_rank", -1, _INT_MAX)
    made.siteSize = integer(site_size, "site_size", -1, _INT_MAX)
    made.siteAddress = _text(site_address, "site_address")
    made.sites = _pairs(sites, "sites")
    made.wan = _pairs(wan, "wan")
    made.device = integer(device, "device", -1, _INT_MAX)
    made.blocking = 1 if blocking else 0
    if oob is None:
        return made, None
    if made.siteRank < 0 or made.siteSize < 1:
        raise ValueError("oob needs site_rank and site_size: they say how much it returns")
    call = OobCall(oob, made.siteSize)
    made.oob = ctypes.pointer(call.oob)
    return made, call


def call_options(codec: Any, scope: Any, tag: int, timeout: Optional[float], error_feedback: bool) -> Optional[_abi.CallConfig]:
    """None where all is the default."""
    if codec == "default" and scope == "default" and not tag and not timeout and not error_feedback:
        return None
    made = _abi.CallConfig()
    registered = isinstance(codec, int) and codec >= FIRST_NUMBER  # the library knows whether it is
    made.codec = codec if registered else named(_CODECS, codec, "codec", f"{_CODEC_NAMES}, or what register_codec returned")
    made.scope = named(_SCOPES, scope, "scope", _SCOPE_NAMES)
    made.tag = integer(tag, "tag", 0, 2**64 - 1)
    made.errorFeedback = 1 if error_feedback else 0
    if timeout is not None and not 0 <= timeout < 2**32 / 1000:
        raise ValueError(f"timeout is {timeout} s: must be 0 to {2**32 // 1000}")
    made.timeoutMs = 0 if timeout is None else min(math.ceil(timeout * 1000), 2**32 - 1)
    return made
