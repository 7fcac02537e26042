# SPDX-License-Identifier: Apache-2.0
"""Python functions behind lhCodecPlugin_t."""
import ctypes
import traceback
from typing import Any, Callable, Optional

from . import _abi
from ._abi import Result
from ._values import integer

Encode = Callable[[memoryview, int], Optional[bytes]]
DecodeAdd = Callable[[memoryview, memoryview], None]
FIRST_NUMBER = 64  # of the codecs that a communicator is given


class PluginCall:
    """What the library calls. It must live as long as the communicator. An exception cannot cross the C interface: it is printed, and the
    call that needed the codec fails."""

    def __init__(self, name: str, encode: Encode, decode_add: DecodeAdd, format: int, block_values: int, block_bytes: int, header_bytes: int) -> None:
        self._encode = encode
        self._decode_add = decode_add
        self.structure = _abi.CodecPlugin()
        self.structure.name = name.encode()
        for field, value in (("format", format), ("blockValues", block_values), ("blockBytes", block_bytes), ("headerBytes", header_bytes)):
            setattr(self.structure, field, integer(value, field, 0, 2**32 - 1))
        self.structure.encode = _abi.EncodeFunction(self._call_encode)
        self.structure.decodeAdd = _abi.DecodeAddFunction(self._call_decode_add)

    def _call_encode(self, _context: Any, values: int, count: int, seed: int, blob: int, room: int, size: Any) -> int:
        try:
            made = self._encode(_floats(values, count).toreadonly(), seed)
            if made is None:
                return Result.UNSUPPORTED
            if len(made) > room:
                raise ValueError(f"encode returned {len(made)} bytes for {count} values: it declared at most {room}")
            ctypes.memmove(blob, bytes(made), len(made))
            size[0] = len(made)
            return Result.SUCCESS
        except BaseException:
            traceback.print_exc()
            return Result.INTERNAL_ERROR

    def _call_decode_add(self, _context: Any, blob: int, size: int, count: int, total: int) -> int:
        try:
            self._decode_add(memoryview(ctypes.string_at(blob, size)), _floats(total, count))
            return Result.SUCCESS
        except BaseException:
            traceback.print_exc()
            return Result.DATA_CORRUPT


def _floats(pointer: int, count: int) -> memoryview:
    return memoryview((ctypes.c_float * count).from_address(pointer)).cast("B").cast("f")
