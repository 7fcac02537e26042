# SPDX-License-Identifier: Apache-2.0
"""Which memory does a Python object stand for, and what is in it? Nothing is copied.

Known are torch tensors on the CPU, and everything with the buffer protocol: numpy arrays, array.array, bytearray, memoryview,
ctypes arrays, mmap. torch and numpy are never imported here: their objects are recognised by what they answer.
"""
import ctypes
import operator
from typing import Any, Dict, Optional, Tuple, Type, TypeVar, Union

from ._abi import DataType

E = TypeVar("E", bound=Any)

DTYPES = "int8, uint8, int32, uint32, int64, uint64, float16, float32, float64 and bfloat16"
_BY_NAME: Dict[Any, DataType] = {d.name.lower(): d for d in DataType}
_BY_NAME.update({"fp16": DataType.FLOAT16, "fp32": DataType.FLOAT32, "fp64": DataType.FLOAT64, "bf16": DataType.BFLOAT16})
_BY_NAME.update({d: d for d in DataType})

# (kind, bytes) of a struct format character. The bytes are the exporter's itemsize: 'l' has 4 or 8.
_KINDS = {**dict.fromkeys("bhilqn", "i"), **dict.fromkeys("BHILQNc", "u"), **dict.fromkeys("efd", "f")}
_BY_KIND = {(kind, d.size): d for d in DataType if d is not DataType.BFLOAT16
            for kind in [{"I": "i", "U": "u", "F": "f"}[d.name[0]]]}
_BY_TORCH: Dict[Any, Optional[DataType]] = {}  # filled as dtypes are met; None: met, and not supported


class _PyBuffer(ctypes.Structure):
    """Py_buffer of CPython (part of the stable ABI since 3.11, unchanged since 3.0)."""

    _fields_ = [
        ("buf", ctypes.c_void_p), ("obj", ctypes.py_object), ("len", ctypes.c_ssize_t), ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int), ("ndim", ctypes.c_int), ("format", ctypes.c_char_p), ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p), ("suboffsets", ctypes.c_void_p), ("internal", ctypes.c_void_p)]


_get_buffer = ctypes.pythonapi.PyObject_GetBuffer
_get_buffer.argtypes = [ctypes.py_object, ctypes.POINTER(_PyBuffer), ctypes.c_int]
_release_buffer = ctypes.pythonapi.PyBuffer_Release
_release_buffer.argtypes = [ctypes.POINTER(_PyBuffer)]
_release_buffer.restype = None


class Buffer:
    """Memory of `count` elements of `type` at `pointer`; `keep` keeps it alive and, for exporters that could, from moving."""

    __slots__ = ("pointer", "count", "type", "readonly", "keep")

    def __init__(self, pointer: int, count: int, type: DataType, readonly: bool, keep: Any) -> None:
        self.pointer = pointer
        self.count = count
        self.type = type
        self.readonly = readonly
        self.keep = keep


def view(obj: Any, name: str, dtype: Optional[Union[str, DataType]] = None) -> Buffer:
    """The memory of `obj`, which the caller calls `name`. `dtype` says what is in it instead of what `obj` says: for
    bfloat16 kept in 16-bit integers, for bytes. Raises TypeError for objects and element types that cannot be sent,
    ValueError for memory that is not contiguous."""
    if isinstance(obj, Buffer):
        found = obj
    elif hasattr(obj, "data_ptr"):
        found = _view_tensor(obj, name, dtype is not None)
    else:
        found = _view_exporter(obj, name, dtype is not None)
    return found if dtype is None else _as(found, named(_BY_NAME, dtype, "dtype", DTYPES), name)


def writable(obj: Any, name: str, dtype: Optional[Union[str, DataType]] = None) -> Buffer:
    """As view(), for memory that is written. Raises ValueError where it is read-only."""
    found = view(obj, name, dtype)
    if found.readonly:
        raise ValueError(f"{name} is read-only memory ({type(obj).__name__}): pass memory that may be written, e.g. a bytearray or a copy")
    return found


def _as(found: Buffer, dtype: DataType, name: str) -> Buffer:
    size = found.count * found.type.size
    if size % dtype.size:
        raise ValueError(f"{name} has {size} bytes, no whole number of {dtype.name.lower()} elements")
    return Buffer(found.pointer, size // dtype.size, dtype, found.readonly, found.keep)


def _view_tensor(tensor: Any, name: str, raw: bool) -> Buffer:
    dtype = tensor.dtype
    try:
        data_type = _BY_TORCH[dtype]
    except KeyError:
        data_type = _BY_TORCH[dtype] = _BY_NAME.get(str(dtype).replace("torch.", ""))
    if tensor.device.type != "cpu":
        raise TypeError(f"{name} is a tensor on {tensor.device}: this version takes host memory, call .cpu() first")
    if str(tensor.layout) != "torch.strided":
        raise TypeError(f"{name} is a tensor of layout {tensor.layout}: call .to_dense() first")
    if not tensor.is_contiguous():
        raise ValueError(f"{name} is a tensor of shape {tuple(tensor.shape)} and strides {tensor.stride()}, which is not contiguous: "
                         f"call .contiguous() first")
    if tensor.is_neg():  # its memory holds the negated values
        raise ValueError(f"{name} is a lazily negated tensor: call .resolve_neg() first")
    if data_type is None:
        if not raw:
            raise TypeError(f"{name} has elements of {dtype}: supported are {DTYPES}")
        return Buffer(tensor.data_ptr(), tensor.numel() * tensor.element_size(), DataType.UINT8, False, tensor)
    return Buffer(tensor.data_ptr(), tensor.numel(), data_type, False, tensor)


def _view_exporter(obj: Any, name: str, raw: bool) -> Buffer:
    data_type = None
    try:
        exported = memoryview(obj)
    except (TypeError, ValueError, BufferError) as error:
        dtype = getattr(obj, "dtype", None)
        if getattr(dtype, "name", None) == "bfloat16":  # of ml_dtypes: the buffer protocol has no name for it
            data_type, exported = DataType.BFLOAT16, memoryview(obj.view("u2"))
        else:
            what = type(obj).__name__ + (f" of {dtype}" if dtype is not None else "")
            raise TypeError(f"{name} is a {what}, which is not memory that can be sent ({error}): pass a numpy array, a torch tensor on the "
                            f"CPU, or an object with the buffer protocol") from None
    if not exported.c_contiguous:
        raise ValueError(f"{name} has shape {exported.shape} and strides {exported.strides}, which is not contiguous in C order: pass a "
                         f"contiguous copy (numpy.ascontiguousarray)")
    if data_type is None:
        data_type = _of_format(exported, name, raw)
    got = _PyBuffer()
    _get_buffer(exported, ctypes.byref(got), 0)
    pointer = got.buf or 0
    _release_buffer(ctypes.byref(got))
    return Buffer(pointer, exported.nbytes // data_type.size, data_type, exported.readonly, exported)


def _of_format(exported: memoryview, name: str, raw: bool) -> DataType:
    letters = exported.format.lstrip(_NATIVE) if exported.itemsize > 1 else exported.format[-1:]
    found = _BY_KIND.get((_KINDS.get(letters, ""), exported.itemsize))
    if found is None:
        if not raw:
            raise TypeError(f"{name} has elements of format {exported.format!r} and {exported.itemsize} bytes: supported are {DTYPES}, in this "
                            f"machine's byte order; dtype= says what is in other memory")
        found = DataType.UINT8
    return found


_NATIVE = "@=" + ("<" if memoryview(ctypes.c_int32(1)).tobytes()[0] else ">!")


def named(table: Dict[Any, E], value: Any, what: str, known: str) -> E:
    """The entry of `table` for a name or number; raises ValueError with what is `known`."""
    try:
        return table[value]
    except (KeyError, TypeError):
        pass
    if isinstance(value, str) and value.lower() in table:
        return table[value.lower()]
    if what == "dtype":  # numpy.float32, numpy.dtype("float32"), torch.float32
        short = getattr(value, "name", None) or getattr(value, "__name__", None) or str(value).replace("torch.", "")
        if short in table:
            return table[short]
    raise ValueError(f"{what} {value!r} is not known: use {known}")


def names_of(kind: Type[E]) -> Tuple[Dict[Any, E], str]:
    """A table for named(): every member by its name, itself and its number; and the list of names."""
    members = list(kind)
    table: Dict[Any, E] = {m: m for m in members}
    table.update({m.name.lower(): m for m in members})
    return table, ", ".join(m.name.lower() for m in members)


def integer(value: Any, what: str, low: int, high: int) -> int:
    """`value` as an integer of that range: ctypes would cut off what does not fit without a word."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{what} must be an integer, not {value!r}") from None
    if not low <= number <= high:
        raise ValueError(f"{what} is {number}: must be {low} to {high}")
    return number
