# SPDX-License-Identifier: Apache-2.0
"""Every collective over loopback: two sites in this process, one thread a rank or a group."""
import array
import unittest

import support

import longhaul
from longhaul import DataType

try:
    import numpy
except ImportError:
    numpy = None
try:
    import torch
except ImportError:
    torch = None


class Values(unittest.TestCase):
    def test_who_and_where(self):
        with longhaul.loopback([1, 2]) as ranks:
            self.assertEqual([(c.rank, c.size, c.site, c.site_count, c.site_rank, c.site_size) for c in ranks],
                             [(0, 3, 0, 2, 0, 1), (1, 3, 1, 2, 0, 2), (2, 3, 1, 2, 1, 2)])
            self.assertEqual(repr(ranks[2]), "<longhaul.Communicator: rank 2 of 3, site 1 of 2>")
            self.assertTrue(all(c.ready() for c in ranks))
        self.assertEqual(repr(ranks[2]), "<longhaul.Communicator, closed>")

    def test_all_reduce_types_and_ops(self):
        expected = {"sum": 10, "prod": 21, "max": 7, "min": 3, "avg": 5}
        with longhaul.loopback([1, 1]) as ranks:
            for code in "bBiIqQfd":
                for op, value in expected.items():
                    def reduce(rank, comm):
                        send = array.array(code, [3 + 4 * rank] * 5)
                        recv = array.array(code, [0] * 5)
                        comm.all_reduce(send, recv, op)
                        self.assertEqual(list(send), [3 + 4 * rank] * 5)
                        comm.all_reduce(send, op=longhaul.Op[op.upper()])
                        return list(send), list(recv)
                    self.assertEqual(support.on_all(ranks, reduce), [([value] * 5,) * 2] * 2, (code, op))

    def test_bfloat16_in_integers(self):
        one, three = 0x3F80, 0x4040  # 1.0 and 3.0
        with longhaul.loopback([1, 1]) as ranks:
            memory = [array.array("H", [one, 0x4000]), array.array("H", [0x4000, one])]
            support.on_all(ranks, lambda rank, comm: comm.all_reduce(memory[rank], dtype="bf16"))
            self.assertEqual([list(part) for part in memory], [[three, three]] * 2)

    def test_reduce_scatter_and_all_gather(self):
        with longhaul.loopback([1, 2]) as ranks:
            def scatter(rank, comm):
                recv = array.array("i", [0, 0])
                comm.reduce_scatter(array.array("i", range(6)), recv)
                return list(recv)
            self.assertEqual(support.on_all(ranks, scatter), [[0, 3], [6, 9], [12, 15]])

            def gather(rank, comm):
                recv = array.array("i", [0] * 6)
                comm.all_gather(array.array("i", [rank, 10 + rank]), recv)
                return list(recv)
            self.assertEqual(support.on_all(ranks, gather), [[0, 10, 1, 11, 2, 12]] * 3)

            def in_place(rank, comm):
                memory = array.array("i", range(6))
                part = memoryview(memory)[2 * rank:2 * rank + 2]
                comm.reduce_scatter(memory, part)
                comm.all_gather(part, memory)
                return list(memory)
            self.assertEqual(support.on_all(ranks, in_place), [[0, 3, 6, 9, 12, 15]] * 3)

    def test_broadcast_and_barrier(self):
        with longhaul.loopback([1, 1]) as ranks:
            def run(rank, comm):
                memory = bytearray(b"root!" if rank == 1 else b".....")
                comm.broadcast(memory, 1)
                comm.barrier()
                return bytes(memory)
            self.assertEqual(support.on_all(ranks, run), [b"root!"] * 2)

    def test_no_elements(self):
        with longhaul.loopback([1, 1]) as ranks:
            support.on_all(ranks, lambda rank, comm: comm.all_reduce(bytearray()))
            support.on_all(ranks, lambda rank, comm: comm.all_gather(b"", bytearray()))

    def test_options_reach_the_library(self):
        count = 1 << 16
        with longhaul.loopback([1, 1]) as ranks:
            sent = {}
            for codec in ("none", "i8", longhaul.Codec.BF16):
                memory = [array.array("f", [1.5 + rank] * count) for rank in range(2)]
                before = ranks[0].stats().wan_bytes_sent
                support.on_all(ranks, lambda rank, comm: comm.all_reduce(memory[rank], codec=codec, tag=2**64 - 1, timeout=30))
                self.assertEqual(memory[0], memory[1])
                sent[codec] = (ranks[0].stats().wan_bytes_sent - before) / (4 * count)
            self.assertGreater(sent["none"], 0.99)
            self.assertLess(sent["i8"], 0.3)
            self.assertTrue(0.49 < sent[longhaul.Codec.BF16] < 0.6, sent)

    def test_rail_scope(self):
        with longhaul.loopback([2, 2]) as ranks:
            memory = [array.array("d", [10.0**rank]) for rank in range(4)]
            support.on_all(ranks, lambda rank, comm: comm.all_reduce(memory[rank], scope="rail"))
            self.assertEqual([part[0] for part in memory], [101.0, 1010.0, 101.0, 1010.0])

    def test_statistics(self):
        with longhaul.loopback([1, 1], wan={"emulate_rtt": "2ms"}) as ranks:
            for _ in range(3):
                support.on_all(ranks, lambda rank, comm: comm.all_reduce(bytearray(1000)))
            stats = ranks[1].stats()
            self.assertEqual((stats.operations, stats.failed_operations, stats.payload_bytes), (3, 0, 3000))
            self.assertGreaterEqual(stats.rtt_ns, 2000000)
            self.assertGreater(stats.chunk_bytes, 0)


class Together(unittest.TestCase):
    def test_group_drives_all_ranks_from_one_thread(self):
        with longhaul.loopback([1, 2]) as ranks:
            memory = [array.array("q", [rank, 1]) for rank in range(3)]
            results = [array.array("q", [0] * 6) for _ in range(3)]
            with longhaul.group():
                for comm, part in zip(ranks, memory):
                    comm.all_reduce(part)
                with longhaul.group():
                    for comm, part, result in zip(ranks, memory, results):
                        comm.all_gather(array.array("q", [comm.rank, 7]), result)  # the temporary lives until the group ends
                for comm in ranks:
                    comm.barrier()
            self.assertEqual([list(part) for part in memory], [[3, 3]] * 3)
            self.assertEqual([list(result) for result in results], [[0, 7, 1, 7, 2, 7]] * 3)
            with longhaul.group():
                for comm in ranks:
                    comm.finalize()

    def test_requests(self):
        with longhaul.loopback([1, 1], wan="emulate_rtt=20ms") as ranks:
            memory = [[array.array("d", [rank + step] * 100) for step in range(4)] for rank in range(2)]
            ahead = [ranks[0].all_reduce_async(part) for part in memory[0]]
            self.assertEqual([request.test() for request in ahead], [False] * 4)  # rank 1 has not called
            support.on_all(ranks[1:], lambda _, comm: [comm.all_reduce(part) for part in memory[1]])
            for request in ahead:
                request.wait()
                request.wait()  # again: the same answer
                self.assertTrue(request.test())
            self.assertEqual(memory[0], memory[1])
            self.assertEqual([part[0] for part in memory[0]], [1, 3, 5, 7])

    def test_a_request_keeps_its_buffers(self):
        with longhaul.loopback([1, 1]) as ranks:
            memory = bytearray(64)
            request = ranks[0].all_reduce_async(memory)
            with self.assertRaises(BufferError):
                memory.extend(b"x")
            ranks[1].all_reduce(bytearray(64))
            request.wait()
            memory.extend(b"x")

    def test_several_threads_wait_for_one_request(self):
        with longhaul.loopback([1, 1]) as ranks:
            request = ranks[0].all_reduce_async(bytearray(8))
            other = ranks[1].all_reduce_async(bytearray(8))
            self.assertEqual(support.in_threads(request.wait, (), (), (), ()), [None] * 4)
            other.wait()


@unittest.skipUnless(numpy, "needs numpy")
class Numpy(unittest.TestCase):
    def test_shapes_and_halves(self):
        with longhaul.loopback([1, 1]) as ranks:
            for kind in ("float16", "float32"):
                memory = [numpy.arange(24, dtype=kind).reshape(2, 3, 4) * (rank + 1) for rank in range(2)]
                place = memory[0].ctypes.data
                support.on_all(ranks, lambda rank, comm: comm.all_reduce(memory[rank], op="avg"))
                for part in memory:
                    numpy.testing.assert_array_equal(part, numpy.arange(24, dtype=kind).reshape(2, 3, 4) * 1.5)
                self.assertEqual(memory[0].ctypes.data, place)

    def test_numpy_to_array(self):
        with longhaul.loopback([1, 1]) as ranks:
            results = [array.array("d", [0] * 3) for _ in range(2)]
            support.on_all(ranks, lambda rank, comm: comm.all_reduce(numpy.arange(3.0), results[rank]))
            self.assertEqual(list(results[1]), [0, 2, 4])


@unittest.skipUnless(torch, "needs torch")
class Torch(unittest.TestCase):
    def test_every_type(self):
        with longhaul.loopback([1, 1]) as ranks:
            for kind in DataType:
                dtype = getattr(torch, kind.name.lower())
                memory = [torch.full((3, 2), rank + 1, dtype=dtype) for rank in range(2)]
                support.on_all(ranks, lambda rank, comm: comm.all_reduce(memory[rank]))
                for part in memory:
                    self.assertTrue(torch.equal(part, torch.full((3, 2), 3, dtype=dtype)), kind)


class Refusals(unittest.TestCase):
    def test_nothing_is_sent_and_it_stays_usable(self):
        with longhaul.loopback([1, 1]) as ranks:
            comm, f, d = ranks[0], array.array("f", [0] * 4), array.array("d", [0] * 4)
            cases = [
                (TypeError, "send has elements of float32 and recv of float64", lambda: comm.all_reduce(f, d)),
                (ValueError, "send has 4 elements and recv 3", lambda: comm.all_reduce(f, f[:3])),
                (ValueError, r"send \(in place\) is read-only", lambda: comm.all_reduce(bytes(4))),
                (ValueError, "op 'mean' is not known: use sum, prod, max, min, avg", lambda: comm.all_reduce(f, op="mean")),
                (ValueError, "codec 'zip' is not known: use default, none", lambda: comm.all_reduce(f, codec="zip")),
                (ValueError, "scope 9 is not known: use default, global, rail", lambda: comm.all_reduce(f, scope=9)),
                (ValueError, "timeout is -1 s: must be 0 to", lambda: comm.all_reduce(f, timeout=-1)),
                (ValueError, "timeout is inf s: must be", lambda: comm.all_reduce(f, timeout=float("inf"))),
                (ValueError, "timeout is nan s: must be", lambda: comm.all_reduce(f, timeout=float("nan"))),
                (ValueError, "tag is -1: must be 0 to", lambda: comm.all_reduce(f, tag=-1)),
                (TypeError, "tag must be an integer, not 'w'", lambda: comm.all_reduce(f, tag="w")),
                (ValueError, "with 2 ranks send must have 8", lambda: comm.reduce_scatter(f, array.array("f", [0] * 4))),
                (ValueError, "with 2 ranks recv must have 8", lambda: comm.all_gather(f, array.array("f", [0] * 4))),
                (ValueError, "root is 4294967296", lambda: comm.broadcast(f, 2**32)),
                (longhaul.InvalidArgumentError, "root 2 is not a rank", lambda: comm.broadcast(f, 2)),
                (longhaul.InvalidArgumentError, "overlap", lambda: comm.all_reduce(memoryview(f)[:3], memoryview(f)[1:])),
                (longhaul.InvalidArgumentError, "not aligned", lambda: comm.all_reduce(memoryview(bytearray(13))[1:], dtype="float32")),
                (longhaul.InvalidArgumentError, "errorFeedback needs a tag", lambda: comm.all_reduce(f, error_feedback=True)),
            ]
            for kind, text, call in cases:
                with self.assertRaisesRegex(kind, text):
                    call()
            support.on_all(ranks, lambda _, each: each.barrier())
            self.assertEqual(comm.stats().failed_operations, 0)

    def test_an_error_has_code_and_text(self):
        with longhaul.loopback([1, 1]) as ranks:
            with self.assertRaises(longhaul.Error) as caught:
                ranks[0].broadcast(bytearray(4), 9)
            error = caught.exception
            self.assertIs(error.code, longhaul.Result.INVALID_ARGUMENT)
            self.assertIsInstance(error, ValueError)
            self.assertEqual(str(error), "invalid argument: " + error.text)

    def test_loopback_arguments(self):
        for sizes in ([], [0], [1] * 9):
            with self.assertRaises(longhaul.InvalidArgumentError) as caught:
                longhaul.loopback(sizes)
            self.assertTrue(caught.exception.text)
        with self.assertRaisesRegex(ValueError, "a site's size is -1"):
            longhaul.loopback([1, -1])
        with self.assertRaisesRegex(longhaul.InvalidArgumentError, "emulate_rrt"):
            longhaul.loopback([1, 1], wan={"emulate_rrt": "1ms"})
        with self.assertRaisesRegex(ValueError, "wan contains a NUL"):
            longhaul.loopback([1, 1], wan="codec=i8\0")


class ErrorFeedback(unittest.TestCase):
    """A restored state goes on as if nothing had happened, and a forgotten one does not."""

    @staticmethod
    def calls(ranks, times):
        sums = []
        for _ in range(times):
            buffers = [array.array("f", [1.001] * 4096) for _ in ranks]
            support.on_all(ranks, lambda rank, comm: comm.all_reduce(buffers[rank], codec="r2", tag=7, error_feedback=True))
            sums.append(bytes(buffers[0]))
        return sums

    def test_states_are_saved_and_go_on(self):
        with longhaul.loopback([1, 1]) as ranks:
            self.calls(ranks, 2)
            saved = [comm.state_dict() for comm in ranks]
            on = self.calls(ranks, 1)
            self.assertEqual((saved[0]["calls"], list(saved[0]["feedback"])), (2, [7]))
            self.assertGreater(ranks[0].stats().feedback_bytes, 0)
        with longhaul.loopback([1, 1]) as ranks:
            self.calls(ranks, 2)
            for comm in ranks:
                comm.load_state_dict({})
            self.assertNotEqual(self.calls(ranks, 1), on)
        for before in 0, 5:  # calls that the first run did not have
            with longhaul.loopback([1, 1]) as ranks:
                self.calls(ranks, before)
                for comm, state in zip(ranks, saved):
                    comm.load_state_dict(state)
                self.assertEqual(self.calls(ranks, 1), on)
        with longhaul.loopback([1, 1]) as ranks:
            with self.assertRaises(longhaul.InvalidArgumentError):
                ranks[0].load_state_dict({"feedback": {7: b"damaged"}})
            with self.assertRaisesRegex(ValueError, "'tags' in the state"):
                ranks[0].load_state_dict({"tags": {}})
            ranks[0].load_state_dict({"calls": 5})
            with self.assertRaisesRegex(longhaul.Error, "lhCommSetCallCount"):
                support.on_all(ranks, lambda rank, comm: comm.barrier())


if __name__ == "__main__":
    unittest.main()
