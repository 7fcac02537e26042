# SPDX-License-Identifier: Apache-2.0
"""What memory is accepted, as what, and what is said about the rest. Needs no library."""
import array
import ctypes
import sys
import types
import unittest

import support  # noqa: F401  (finds the package)

from longhaul import DataType
from longhaul._buffers import view, writable

try:
    import numpy
except ImportError:
    numpy = None
try:
    import torch
except ImportError:
    torch = None
try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None


class Standard(unittest.TestCase):
    def test_arrays(self):
        for code, kind in (("b", DataType.INT8), ("B", DataType.UINT8), ("i", DataType.INT32), ("I", DataType.UINT32),
                           ("q", DataType.INT64), ("Q", DataType.UINT64), ("f", DataType.FLOAT32), ("d", DataType.FLOAT64)):
            memory = array.array(code, [1, 2, 3])
            found = view(memory, "send")
            self.assertEqual((found.pointer, found.count, found.type), (memory.buffer_info()[0], 3, kind), code)
            self.assertFalse(found.readonly)
        width = array.array("l").itemsize
        self.assertIs(view(array.array("l", [1]), "send").type, DataType.INT64 if width == 8 else DataType.INT32)

    def test_bytes_are_read_only(self):
        found = view(b"abcd", "send")
        self.assertEqual((found.count, found.type, found.readonly), (4, DataType.UINT8, True))
        self.assertEqual(ctypes.string_at(found.pointer, 4), b"abcd")
        with self.assertRaisesRegex(ValueError, "recv is read-only memory .bytes.*bytearray"):
            writable(b"abcd", "recv")

    def test_ctypes(self):
        memory = (ctypes.c_double * 5)()
        found = writable(memory, "recv")
        self.assertEqual((found.pointer, found.count, found.type), (ctypes.addressof(memory), 5, DataType.FLOAT64))

    def test_it_cannot_move_while_viewed(self):
        memory = bytearray(8)
        found = writable(memory, "recv")
        with self.assertRaises(BufferError):
            memory.extend(b"more")
        del found
        memory.extend(b"more")

    def test_empty(self):
        self.assertEqual(view(array.array("f"), "send").count, 0)
        self.assertEqual(view(b"", "send").count, 0)

    def test_a_part_keeps_its_place(self):
        memory = array.array("f", range(10))
        found = writable(memoryview(memory)[2:5], "recv")
        self.assertEqual((found.pointer, found.count), (memory.buffer_info()[0] + 8, 3))

    def test_dtype_says_what_is_inside(self):
        found = view(array.array("H", [1, 2, 3]), "send", "bf16")
        self.assertEqual((found.count, found.type), (3, DataType.BFLOAT16))
        self.assertEqual(view(bytearray(12), "send", DataType.FLOAT32).count, 3)
        self.assertIs(view(bytearray(4), "send", "Float16").type, DataType.FLOAT16)
        with self.assertRaisesRegex(ValueError, "send has 7 bytes, no whole number of float32"):
            view(bytearray(7), "send", "float32")
        with self.assertRaisesRegex(ValueError, "dtype 'complex' is not known: use int8, .*bfloat16"):
            view(bytearray(8), "send", "complex")

    def test_what_is_no_memory(self):
        for nothing in ([1.0, 2.0], 3, None, "text"):
            with self.assertRaisesRegex(TypeError, f"send is a {type(nothing).__name__}, which is not memory"):
                view(nothing, "send")
        with self.assertRaisesRegex(TypeError, "format 'H' and 2 bytes: supported are int8"):
            view(array.array("H", [1]), "send")
        foreign = ">" if sys.byteorder == "little" else "<"
        kind = (ctypes.c_int32.__ctype_be__ if foreign == ">" else ctypes.c_int32.__ctype_le__)
        with self.assertRaisesRegex(TypeError, "byte order"):
            view((kind * 2)(), "send")
        with self.assertRaisesRegex(ValueError, "not contiguous in C order"):
            view(memoryview(array.array("f", range(10)))[::2], "send")


class Gpu:
    """An array of cupy or numba, as far as the package looks."""

    def __init__(self, **interface):
        self.__cuda_array_interface__ = {"shape": (2, 3), "typestr": NATIVE + "f4", "data": (4096, False), "version": 3, **interface}


NATIVE = "<" if sys.byteorder == "little" else ">"


class CudaArrayInterface(unittest.TestCase):
    def test_memory(self):
        found = writable(Gpu(), "recv")
        self.assertEqual((found.pointer, found.count, found.type, found.device, found.stream), (4096, 6, DataType.FLOAT32, None, None))
        self.assertEqual(view(Gpu(stream=7), "send").stream, 7)
        for typestr, kind in (("|i1", DataType.INT8), ("|u1", DataType.UINT8), (NATIVE + "i8", DataType.INT64), (NATIVE + "f2", DataType.FLOAT16)):
            self.assertIs(view(Gpu(typestr=typestr), "send").type, kind)
        empty = view(Gpu(shape=(0,), data=(0, False), strides=(4,)), "send")
        self.assertEqual((empty.pointer, empty.count), (0, 0))
        self.assertEqual(view(Gpu(shape=()), "send").count, 1)
        two = Gpu()
        two.device = types.SimpleNamespace(id=2)
        self.assertEqual(view(two, "send").device, 2)
        self.assertEqual(view(bytearray(1), "send").device, -1)

    def test_dtype_says_what_is_inside(self):
        found = view(Gpu(typestr=NATIVE + "u2"), "send", "bf16")
        self.assertEqual((found.count, found.type, found.device), (6, DataType.BFLOAT16, None))
        brain = Gpu(typestr=NATIVE + "V2")  # cupy with ml_dtypes
        brain.dtype = types.SimpleNamespace(name="bfloat16")
        self.assertEqual((view(brain, "send").type, view(brain, "send").count), (DataType.BFLOAT16, 6))

    def test_order(self):
        self.assertEqual(view(Gpu(strides=(12, 4)), "send").count, 6)
        self.assertEqual(view(Gpu(shape=(2, 1, 3), strides=(12, 99, 4)), "send").count, 6)
        for strides in ((4, 8), (24, 8), (-12, 4)):
            with self.assertRaisesRegex(ValueError, "not contiguous in C order: pass a contiguous copy .cupy"):
                view(Gpu(strides=strides), "send")

    def test_what_is_refused(self):
        with self.assertRaisesRegex(ValueError, "recv is read-only memory"):
            writable(Gpu(data=(4096, True)), "recv")
        with self.assertRaisesRegex(ValueError, "send is a masked array"):
            view(Gpu(mask=Gpu()), "send")
        with self.assertRaisesRegex(TypeError, "send is a Gpu with version 4 of __cuda_array_interface__: known are 0 to 3"):
            view(Gpu(version=4), "send")
        with self.assertRaisesRegex(ValueError, "stream 0 .* forbids"):
            view(Gpu(stream=0), "send")
        foreign = ">" if NATIVE == "<" else "<"
        for typestr in ("|b1", NATIVE + "c8", NATIVE + "u2", foreign + "f4"):
            with self.assertRaisesRegex(TypeError, "supported are int8.*byte order"):
                view(Gpu(typestr=typestr), "send")


@unittest.skipUnless(numpy, "needs numpy")
class Numpy(unittest.TestCase):
    def test_types(self):
        for kind in DataType:
            if kind is DataType.BFLOAT16:
                continue
            memory = numpy.zeros((2, 3), kind.name.lower())
            found = writable(memory, "recv")
            self.assertEqual((found.pointer, found.count, found.type), (memory.ctypes.data, 6, kind))
            self.assertIs(view(bytearray(8), "send", memory.dtype).type, kind)
            self.assertIs(view(bytearray(8), "send", memory.dtype.type).type, kind)

    def test_what_is_refused(self):
        with self.assertRaisesRegex(ValueError, r"shape \(3, 2\) and strides .*ascontiguousarray"):
            view(numpy.zeros((2, 3), "f").T, "send")
        for kind in ("complex64", "bool", "int16", "longdouble", ">f4"):
            with self.assertRaisesRegex(TypeError, "supported are"):
                view(numpy.zeros(3, kind), "send")
        with self.assertRaisesRegex(TypeError, "ndarray of datetime64"):
            view(numpy.zeros(3, "M8[s]"), "send")
        frozen = numpy.zeros(3)
        frozen.flags.writeable = False
        with self.assertRaisesRegex(ValueError, "read-only"):
            writable(frozen, "recv")

    @unittest.skipUnless(ml_dtypes, "needs ml_dtypes")
    def test_bfloat16(self):
        memory = numpy.zeros(5, ml_dtypes.bfloat16)
        found = writable(memory, "recv")
        self.assertEqual((found.pointer, found.count, found.type), (memory.ctypes.data, 5, DataType.BFLOAT16))


@unittest.skipUnless(torch, "needs torch")
class Torch(unittest.TestCase):
    def test_types(self):
        for kind in DataType:
            memory = torch.zeros((2, 3), dtype=getattr(torch, kind.name.lower()))
            found = writable(memory, "recv")
            self.assertEqual((found.pointer, found.count, found.type), (memory.data_ptr(), 6, kind))
            self.assertIs(view(bytearray(8), "send", memory.dtype).type, kind)

    def test_what_is_refused(self):
        with self.assertRaisesRegex(ValueError, r"shape \(3, 2\).*\.contiguous\(\)"):
            view(torch.zeros(2, 3).T, "send")
        with self.assertRaisesRegex(TypeError, "torch.complex64: supported are"):
            view(torch.zeros(3, dtype=torch.complex64), "send")
        with self.assertRaisesRegex(ValueError, "resolve_neg"):
            view(torch.zeros(1, dtype=torch.complex64).conj().imag, "send")
        with self.assertRaisesRegex(TypeError, "to_dense"):
            view(torch.zeros(3).to_sparse(), "send")
        with self.assertRaisesRegex(TypeError, "on meta: pass one on a CUDA GPU or on the CPU"):
            view(torch.zeros(3, device="meta"), "send")

    def test_dtype_says_what_is_inside(self):
        self.assertEqual(view(torch.zeros(3, dtype=torch.int16), "send", "bf16").count, 3)


if __name__ == "__main__":
    unittest.main()
