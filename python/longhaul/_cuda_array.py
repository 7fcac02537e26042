# SPDX-License-Identifier: Apache-2.0
"""Which GPU memory does an object with __cuda_array_interface__ (cupy, numba, ...) stand for?

https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html, versions 0 to 3. The interface does not name the GPU: cupy's arrays
say it beside it, of others the library asks the driver.
"""
import sys
from typing import Any, Mapping, Optional, Tuple

from ._abi import DataType
from ._values import BY_KIND, DTYPES

_NEWEST = 3
_NATIVE = "|" + ("<" if sys.byteorder == "little" else ">")


def read(obj: Any, name: str, raw: bool) -> Tuple[int, int, DataType, bool, Any, Optional[int], Optional[int]]:
    """What Buffer() takes."""
    interface = obj.__cuda_array_interface__
    version = interface.get("version", 0)
    if not 0 <= version <= _NEWEST:
        raise TypeError(f"{name} is a {type(obj).__name__} with version {version} of __cuda_array_interface__: known are 0 to {_NEWEST}")
    if interface.get("mask") is not None:
        raise ValueError(f"{name} is a masked array: fill it first, and pass what is filled")
    shape = tuple(interface["shape"])
    count = 1
    for extent in shape:
        count *= extent
    kind, size = _elements(obj, interface["typestr"], name, raw)
    _check_contiguous(shape, interface.get("strides"), size, name)
    pointer, readonly = interface["data"]
    return pointer or 0, count * size // kind.size, kind, bool(readonly), obj, _device(obj), _stream(interface, name)


def _elements(obj: Any, typestr: str, name: str, raw: bool) -> Tuple[DataType, int]:
    """The type, and the bytes of one of the array's own elements."""
    size = int(typestr[2:])
    found = BY_KIND.get((typestr[1], size)) if typestr[0] in _NATIVE else None
    if found is None and getattr(getattr(obj, "dtype", None), "name", None) == "bfloat16":  # of ml_dtypes: the interface has no name for it
        found = DataType.BFLOAT16
    if found is None:
        if not raw:
            raise TypeError(f"{name} has elements of type {typestr!r}: supported are {DTYPES}, in this machine's byte order; dtype= says what is "
                            f"in other memory")
        found = DataType.UINT8
    return found, size


def _check_contiguous(shape: Tuple[int, ...], strides: Any, size: int, name: str) -> None:
    if strides is None or 0 in shape:
        return
    expected = size
    for extent, stride in zip(reversed(shape), reversed(tuple(strides))):
        if extent > 1 and stride != expected:
            raise ValueError(f"{name} has shape {shape} and strides {tuple(strides)}, which is not contiguous in C order: pass a contiguous copy "
                             f"(cupy.ascontiguousarray)")
        expected *= extent


def _device(obj: Any) -> Optional[int]:
    number = getattr(getattr(obj, "device", None), "id", None)
    return number if isinstance(number, int) else None


def _stream(interface: Mapping[str, Any], name: str) -> Optional[int]:
    stream = interface.get("stream")
    if stream == 0:
        raise ValueError(f"{name} has stream 0 in its __cuda_array_interface__, which the interface forbids as ambiguous: 1 is the legacy default "
                         f"stream, 2 the thread's own")
    return stream
