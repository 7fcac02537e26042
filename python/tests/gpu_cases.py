# SPDX-License-Identifier: Apache-2.0
"""What device communicators do, on the double of CUDA and NCCL. Run by test_gpu.py in a process that was started with it."""
import array
import sys
import types
import unittest
from unittest import mock

import gpu_double
import support  # noqa: F401  (finds the package)

import longhaul

STAGING = {"chunk": "64KiB", "staging": "1MiB"}


def job(*sizes):
    return gpu_double.Job(longhaul.loopback, list(sizes), wan=STAGING)


class Streams(unittest.TestCase):
    def test_calls_begin_when_their_stream_has_come_to_them(self):
        count = 50_000
        with job(1, 1) as it:
            memory = it.arrays("f", lambda rank: [0.0] * count)
            for stream in it.streams:
                stream.pause()
            requests = []
            for _ in range(5):  # all return though nothing can have begun
                requests += [comm.all_reduce_async(memory[rank], stream=it.streams[rank].handle) for rank, comm in enumerate(it.ranks)]
            self.assertFalse(any(request.test() for request in requests))
            for part in memory:  # what is in them when their streams come to the calls counts
                part.fill([1.0] * count)
            for stream in it.streams:
                self.assertFalse(stream.idle())
                stream.resume()
            for request in requests:
                request.wait()
                self.assertTrue(request.test())
            it.synchronize()
            for part in memory:
                self.assertEqual(part.read(), [32.0] * count)

    def test_the_stream_goes_on_behind_the_call(self):
        with job(1, 1) as it:
            memory = it.arrays("f", lambda rank: [rank + 1.0] * 1000)
            it.ranks[0].all_reduce(memory[0], stream=it.streams[0].handle)
            self.assertFalse(it.streams[0].idle())  # the other rank has not called
            it.ranks[1].all_reduce(memory[1], stream=it.streams[1].handle)
            it.synchronize()
            self.assertEqual([part.read() for part in memory], [[3.0] * 1000] * 2)

    def test_a_group_does_not_wait(self):
        with job(1, 1) as it:
            memory = it.arrays("f", lambda rank: [1.0] * 10)
            it.streams[0].pause()
            with longhaul.group():
                for rank, comm in enumerate(it.ranks):
                    comm.all_reduce(memory[rank], stream=it.streams[rank].handle)
            self.assertFalse(it.streams[1].idle())
            it.streams[0].resume()
            it.synchronize()
            self.assertEqual(memory[1].read(), [2.0] * 10)

    def test_every_kind_of_stream(self):
        class Ptr:
            def __init__(self, handle):
                self.ptr, self.device_id = handle, 0

        class Protocol:
            def __init__(self, handle):
                self.__cuda_stream__ = (0, handle)

        class Method:
            def __init__(self, handle):
                self.handle = handle

            def __cuda_stream__(self):
                return 0, self.handle
        kinds = [int, Ptr, Protocol, Method, lambda handle: types.SimpleNamespace(cuda_stream=handle, device=types.SimpleNamespace(index=0))]
        with job(1, 1) as it:
            memory = it.arrays("f", lambda rank: [1.0] * 4)
            for kind in kinds:
                it.streams[0].pause()
                it.ranks[0].all_reduce(memory[0], stream=kind(it.streams[0].handle))
                it.ranks[1].all_reduce(memory[1], stream=it.streams[1].handle)
                self.assertFalse(it.streams[0].idle())  # it is the one that the call went into
                it.streams[0].resume()
                it.synchronize()
            self.assertEqual(memory[0].read(), [2.0 ** len(kinds)] * 4)
            other = types.SimpleNamespace(cuda_stream=1, device=types.SimpleNamespace(index=1))
            with self.assertRaisesRegex(longhaul.InvalidArgumentError, "stream is one of GPU 1, but this communicator works on GPU 0"):
                it.ranks[0].barrier(stream=other)
            for wrong in ("s", True, 1.5, [1]):
                with self.assertRaisesRegex(TypeError, f"stream is a {type(wrong).__name__}: pass a cudaStream_t"):
                    it.ranks[0].barrier(stream=wrong)

    def test_an_array_that_says_its_stream(self):
        with job(1, 1) as it:
            memory = [gpu.array("f", [2.0], stream=stream.handle) for gpu, stream in zip(it.gpus, it.streams)]
            it.streams[0].pause()
            for comm, part in zip(it.ranks, memory):
                comm.all_reduce(part)
            self.assertFalse(it.streams[0].idle())
            it.streams[0].resume()
            it.synchronize()
            self.assertEqual(memory[0].read(), [4.0])
            other = it.gpus[0].array("f", [2.0], stream=it.gpus[0].stream().handle)
            with self.assertRaisesRegex(ValueError, "written in different streams .*pass stream="):
                it.ranks[0].all_reduce(memory[0], other)

    def test_an_abort_lets_streams_go(self):
        with job(1, 1) as it:
            memory = it.arrays("f", lambda rank: [1.0] * 10)
            request = it.ranks[0].all_reduce_async(memory[0], stream=it.streams[0].handle)
            self.assertTrue(it.ranks[0].ready())
            it.ranks[0].abort()
            with self.assertRaises(longhaul.AbortedError):
                request.wait()
            it.streams[0].synchronize()
            with self.assertRaises(longhaul.AbortedError):
                it.ranks[0].ready()
            with self.assertRaises(longhaul.AbortedError):
                it.ranks[0].all_reduce(memory[0], stream=it.streams[0].handle)


class Tensor:
    """Answers what the package asks of a tensor of torch."""

    layout, dtype = "torch.strided", "torch.float32"

    def __init__(self, memory, device):
        self._memory, self.recorded = memory, []
        self.device = types.SimpleNamespace(type="cuda", index=device)

    def data_ptr(self):
        return self._memory.pointer

    def numel(self):
        return len(self._memory.read())

    def is_contiguous(self):
        return True

    def is_neg(self):
        return False

    def record_stream(self, stream):
        self.recorded.append(stream)


class TorchStandIn(unittest.TestCase):
    """Stands for torch.cuda, which needs a GPU: which stream is asked for, and what its allocator is told. gpu_torch.py runs the real one."""

    def setUp(self):
        self.current = {}
        cuda = types.SimpleNamespace(current_stream=lambda device: self.current[device], is_initialized=lambda: True,
                                     ExternalStream=lambda handle, device: ("external", handle, device), default_stream=lambda device: ("default", device))
        stand_in = mock.patch.dict(sys.modules, {"torch": types.SimpleNamespace(cuda=cuda)})
        stand_in.start()
        self.addCleanup(stand_in.stop)

    def test_the_current_stream(self):
        with job(1, 1) as it:
            self.current = {rank: types.SimpleNamespace(cuda_stream=stream.handle) for rank, stream in enumerate(it.streams)}
            tensors = [Tensor(memory, rank) for rank, memory in enumerate(it.arrays("f", lambda rank: [rank + 1.0] * 3))]
            it.streams[1].pause()
            for comm, tensor in zip(it.ranks, tensors):
                comm.all_reduce(tensor)
                comm.barrier()
            self.assertFalse(it.streams[1].idle())
            it.streams[1].resume()
            it.synchronize()
            self.assertEqual(tensors[0]._memory.read(), [3.0] * 3)
            self.assertEqual([tensor.recorded for tensor in tensors], [[self.current[0]], [self.current[1]]])
            for comm, tensor, stream in zip(it.ranks, tensors, it.streams):
                comm.all_reduce(tensor, stream=stream.handle)
            self.assertEqual(tensors[1].recorded[1], ("external", it.streams[1].handle, 1))
            with self.assertRaisesRegex(longhaul.InvalidArgumentError, "send is memory of GPU 1, but this communicator works on GPU 0"):
                it.ranks[0].all_reduce(tensors[1])
            with longhaul.loopback([1]) as host, self.assertRaisesRegex(longhaul.InvalidArgumentError, "send is memory of GPU 1, .* device=1"):
                host[0].all_reduce(tensors[1])


class Memory(unittest.TestCase):
    def test_the_wrong_memory(self):
        with job(1, 1) as it, longhaul.loopback([1, 1]) as host:
            right, foreign = it.gpus[0].array("f", [1.0] * 8), it.gpus[1].array("f", [1.0] * 8)
            comm, stream = it.ranks[0], it.streams[0].handle
            plain = array.array("f", [1.0] * 8)
            refusals = [(plain, right, "send is host memory, but this communicator works on GPU 0: pass memory of that GPU"),
                        (right, plain, "recv is host memory, but this communicator works on GPU 0"),
                        (right, foreign, "recv is memory of GPU 1, but this communicator works on GPU 0"),
                        (right, it.gpus[0].pinned(8), "recv is pinned host memory")]
            for send, recv, text in refusals:
                with self.assertRaisesRegex(longhaul.InvalidArgumentError, text):
                    comm.all_reduce(send, recv, stream=stream)
            foreign.device = types.SimpleNamespace(id=1)  # as cupy's arrays say it
            with self.assertRaisesRegex(longhaul.InvalidArgumentError, "buffer is memory of GPU 1, but this communicator works on GPU 0"):
                comm.broadcast(foreign, stream=stream)
            with self.assertRaisesRegex(longhaul.InvalidArgumentError, "send is GPU memory, but this communicator works on host memory"):
                host[0].all_reduce(right)
            with self.assertRaisesRegex(ValueError, "stream is given, but this communicator works on host memory"):
                host[0].all_reduce(plain, stream=stream)
            memory = it.arrays("f", lambda rank: [1.0] * 8)  # and all goes on
            for rank, one in enumerate(it.ranks):
                one.all_reduce(memory[rank], stream=it.streams[rank].handle)
            it.synchronize()
            self.assertEqual(memory[1].read(), [2.0] * 8)

    def test_no_such_gpu(self):
        with self.assertRaisesRegex(longhaul.InvalidArgumentError, "device 99 does not exist: this process sees 4 GPUs"):
            longhaul.loopback([1, 1], device=99)


class Collectives(unittest.TestCase):
    def test_all_of_them(self):
        with job(2, 1) as it:
            self.assertEqual([comm.device for comm in it.ranks], [0, 1, 2])
            handles = [stream.handle for stream in it.streams]
            whole = it.arrays("i", lambda rank: [rank + 1] * 6)
            part = it.arrays("i", lambda rank: [0] * 2)
            for rank, comm in enumerate(it.ranks):
                comm.reduce_scatter(whole[rank], part[rank], "max", stream=handles[rank])
                comm.all_gather(part[rank], whole[rank], stream=handles[rank])
                comm.barrier(stream=handles[rank])
            it.synchronize()
            self.assertEqual([memory.read() for memory in whole], [[3] * 6] * 3)
            bits = it.arrays("H", lambda rank: [0x3F80 + rank] * 4)
            for rank, comm in enumerate(it.ranks):
                comm.broadcast(bits[rank], 1, dtype="bf16", stream=handles[rank])
            it.synchronize()
            self.assertEqual([memory.read() for memory in bits], [[0x3F81] * 4] * 3)

    def test_codecs_give_the_bits_of_the_host(self):
        values = [[(7 * i % 101 - 50) * (0.37 + rank) for i in range(30_000)] for rank in range(2)]
        options = {"op": "avg", "codec": "i8", "tag": 5, "error_feedback": True}
        with longhaul.loopback([1, 1], wan=STAGING) as host:
            expected = [array.array("f", part) for part in values]
            for _ in range(2):
                with longhaul.group():
                    for comm, part in zip(host, expected):
                        comm.all_reduce(part, **options)
            states = [comm.state_dict() for comm in host]
        with job(1, 1) as it:
            memory = it.arrays("f", lambda rank: values[rank])
            for _ in range(2):
                for rank, comm in enumerate(it.ranks):
                    comm.all_reduce(memory[rank], stream=it.streams[rank].handle, **options)
            it.synchronize()
            self.assertEqual([part.read() for part in memory], [list(part) for part in expected])
            self.assertEqual([comm.state_dict() for comm in it.ranks], states)


if __name__ == "__main__":
    unittest.main()
