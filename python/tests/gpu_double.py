# SPDX-License-Identifier: Apache-2.0
"""GPU memory and streams for tests: the double of CUDA and NCCL (tests/support/gpu_double), which this process was started with."""
import array
import ctypes
import time

_double = ctypes.CDLL(None)  # LD_PRELOADed
_PAUSE, _RESUME = "_ZN8longhaul7testing3gpu5pauseEPv", "_ZN8longhaul7testing3gpu6resumeEPv"
_TYPES = {"f": "<f4", "d": "<f8", "i": "<i4", "B": "|u1", "H": "<u2"}
NOT_READY = 600


def call(name, *arguments):
    result = getattr(_double, name)(*arguments)
    if result:
        raise RuntimeError(f"{name}: {result}")


class Gpu:
    """Memory and streams of one device. Freed by close()."""

    def __init__(self, device):
        self.device = device
        self._context = ctypes.c_void_p()
        call("cuInit", 0)
        call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), device)
        self._memory, self._streams = [], []

    def inside(self, name, *arguments):
        call("cuCtxPushCurrent_v2", self._context)
        try:
            call(name, *arguments)
        finally:
            call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))

    def stream(self):
        made = ctypes.c_void_p()
        self.inside("cuStreamCreateWithPriority", ctypes.byref(made), 1, 0)
        self._streams.append(Stream(made.value))
        return self._streams[-1]

    def array(self, code, values, **interface):
        source = array.array(code, values)
        memory = ctypes.c_uint64()
        self.inside("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(max(1, len(source) * source.itemsize)))
        self._memory.append(memory)
        made = Array(memory.value, code, len(source), interface)
        made.fill(values)
        return made

    def pinned(self, count):
        memory = ctypes.c_void_p()
        self.inside("cuMemHostAlloc", ctypes.byref(memory), ctypes.c_size_t(4 * count), 0)
        self._memory.append(ctypes.c_uint64(memory.value))
        return Array(memory.value, "f", count, {})

    def close(self):
        for stream in self._streams:
            stream.synchronize()
            call("cuStreamDestroy_v2", ctypes.c_void_p(stream.handle))
        for memory in self._memory:
            call("cuMemFree_v2", memory)
        call("cuDevicePrimaryCtxRelease_v2", self.device)


class Stream:
    def __init__(self, handle):
        self.handle = handle

    def pause(self):
        """It does nothing more until resume()."""
        getattr(_double, _PAUSE)(ctypes.c_void_p(self.handle))

    def resume(self):
        getattr(_double, _RESUME)(ctypes.c_void_p(self.handle))

    def idle(self):
        return _double.cuStreamQuery(ctypes.c_void_p(self.handle)) != NOT_READY

    def synchronize(self):
        while not self.idle():
            time.sleep(0.0005)


class Array:
    """Its memory is the host's, so that a plain copy does where a GPU would need one of its own."""

    def __init__(self, pointer, code, count, interface):
        self.pointer, self._code, self._count = pointer, code, count
        self._bytes = count * array.array(code).itemsize
        self.__cuda_array_interface__ = {"shape": (count,), "typestr": _TYPES[code], "data": (pointer, False), "version": 3, **interface}

    def fill(self, values):
        data = array.array(self._code, values)
        ctypes.memmove(self.pointer, data.buffer_info()[0], self._bytes)

    def read(self):
        made = array.array(self._code)
        made.frombytes(ctypes.string_at(self.pointer, self._bytes))
        return list(made)


class Job:
    """The ranks of loopback sites on GPUs 0, 1, ..., a stream and memory for each."""

    def __init__(self, loopback, sizes, **options):
        self.ranks = loopback(sizes, device=0, **options)
        self.gpus = [Gpu(comm.device) for comm in self.ranks]
        self.streams = [gpu.stream() for gpu in self.gpus]

    def arrays(self, code, values):
        """values(rank) on every rank's GPU."""
        return [gpu.array(code, values(rank)) for rank, gpu in enumerate(self.gpus)]

    def synchronize(self):
        for stream in self.streams:
            stream.synchronize()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ranks.close()
        for gpu in self.gpus:
            gpu.close()
