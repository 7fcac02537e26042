# SPDX-License-Identifier: Apache-2.0
"""Which memory does a Python object stand for, and what is in it? Nothing is copied.

Known are torch tensors on the CPU and on GPUs, GPU arrays with __cuda_array_interface__ (cupy, numba), and everything with the buffer
protocol: numpy arrays, array.array, bytearray, memoryview, ctypes arrays, mmap. None of their packages is imported here: objects are
recognised by what they answer.
"""
import ctypes
from typing import Any, Dict, Optional, Union

from . import _cuda_array
from ._abi import DataType
from ._values import BY_KIND, DTYPES, data_type, type_called

# (kind, bytes) of a struct format character. The bytes are the exporter's itemsize: 'l' has 4 or 8.
_KINDS = {**dict.fromkeys("bhilqn", "i"), **dict.fromkeys("BHILQNc", "u"), **dict.fromkeys("efd", "f")}
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


HOST = -1  # Buffer.device
SOME_GPU = None  # the array does not say which: the library looks


class Buffer:
    """Memory of `count` elements of `type` at `pointer`; `keep` keeps it alive and, for exporters that could, from moving. `device`: HOST, a
    GPU's number, or SOME_GPU. `stream`: in which the array's owner has written it, where it says so; `tensor`: torch's, on a GPU."""

    __slots__ = ("pointer", "count", "type", "readonly", "keep", "device", "stream", "tensor")

    def __init__(self, pointer: int, count: int, type: DataType, readonly: bool, keep: Any, device: Optional[int] = HOST,
                 stream: Optional[int] = None, tensor: bool = False) -> None:
        self.pointer = pointer
        self.count = count
        self.type = type
        self.readonly = readonly
        self.keep = keep
        self.device = device
        self.stream = stream
        self.tensor = tensor


def view(obj: Any, name: str, dtype: Optional[Union[str, DataType]] = None) -> Buffer:
    """The memory of `obj`, which the caller calls `name`. `dtype` says what is in it instead of what `obj` says: for
    bfloat16 kept in 16-bit integers, for bytes. Raises TypeError for objects and element types that cannot be sent,
    ValueError for memory that is not contiguous."""
    if isinstance(obj, Buffer):
        found = obj
    elif hasattr(obj, "data_ptr"):
        found = _view_tensor(obj, name, dtype is not None)
    elif hasattr(obj, "__cuda_array_interface__"):  # before the buffer protocol: numba's managed arrays have both
        found = Buffer(*_cuda_array.read(obj, name, dtype is not None))
    else:
        found = _view_exporter(obj, name, dtype is not None)
    return found if dtype is None else _as(found, data_type(dtype), name)


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
    return Buffer(found.pointer, size // dtype.size, dtype, found.readonly, found.keep, found.device, found.stream, found.tensor)


def _view_tensor(tensor: Any, name: str, raw: bool) -> Buffer:
    dtype = tensor.dtype
    try:
        kind = _BY_TORCH[dtype]
    except KeyError:
        kind = _BY_TORCH[dtype] = type_called(str(dtype).replace("torch.", ""))
    place = tensor.device
    on_gpu = place.type == "cuda"
    if not on_gpu and place.type != "cpu":
        raise TypeError(f"{name} is a tensor on {place}: pass one on a CUDA GPU or on the CPU")
    if str(tensor.layout) != "torch.strided":
        raise TypeError(f"{name} is a tensor of layout {tensor.layout}: call .to_dense() first")
    if not tensor.is_contiguous():
        raise ValueError(f"{name} is a tensor of shape {tuple(tensor.shape)} and strides {tensor.stride()}, which is not contiguous: "
                         f"call .contiguous() first")
    if tensor.is_neg():  # its memory holds the negated values
        raise ValueError(f"{name} is a lazily negated tensor: call .resolve_neg() first")
    device = place.index if on_gpu else HOST
    if kind is None:
        if not raw:
            raise TypeError(f"{name} has elements of {dtype}: supported are {DTYPES}")
        return Buffer(tensor.data_ptr(), tensor.numel() * tensor.element_size(), DataType.UINT8, False, tensor, device, None, on_gpu)
    return Buffer(tensor.data_ptr(), tensor.numel(), kind, False, tensor, device, None, on_gpu)


def _view_exporter(obj: Any, name: str, raw: bool) -> Buffer:
    kind = None
    try:
        exported = memoryview(obj)
    except (TypeError, ValueError, BufferError) as error:
        dtype = getattr(obj, "dtype", None)
        if getattr(dtype, "name", None) == "bfloat16":  # of ml_dtypes: the buffer protocol has no name for it
            kind, exported = DataType.BFLOAT16, memoryview(obj.view("u2"))
        else:
            what = type(obj).__name__ + (f" of {dtype}" if dtype is not None else "")
            raise TypeError(f"{name} is a {what}, which is not memory that can be sent ({error}): pass a torch tensor, a numpy array, a "
                            f"GPU array with __cuda_array_interface__, or an object with the buffer protocol") from None
    if not exported.c_contiguous:
        raise ValueError(f"{name} has shape {exported.shape} and strides {exported.strides}, which is not contiguous in C order: pass a "
                         f"contiguous copy (numpy.ascontiguousarray)")
    if kind is None:
        kind = _of_format(exported, name, raw)
    got = _PyBuffer()
    _get_buffer(exported, ctypes.byref(got), 0)
    pointer = got.buf or 0
    _release_buffer(ctypes.byref(got))
    return Buffer(pointer, exported.nbytes // kind.size, kind, exported.readonly, exported)


def _of_format(exported: memoryview, name: str, raw: bool) -> DataType:
    letters = exported.format.lstrip(_NATIVE) if exported.itemsize > 1 else exported.format[-1:]
    found = BY_KIND.get((_KINDS.get(letters, ""), exported.itemsize))
    if found is None:
        if not raw:
            raise TypeError(f"{name} has elements of format {exported.format!r} and {exported.itemsize} bytes: supported are {DTYPES}, in this "
                            f"machine's byte order; dtype= says what is in other memory")
        found = DataType.UINT8
    return found


_NATIVE = "@=" + ("<" if memoryview(ctypes.c_int32(1)).tobytes()[0] else ">!")
