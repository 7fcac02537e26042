# SPDX-License-Identifier: Apache-2.0
"""Failures, aborts, closing at bad moments, forks: an exception with the library's text, never a crash."""
import array
import gc
import os
import subprocess
import sys
import threading
import unittest
import weakref

import support

import longhaul


class Failures(unittest.TestCase):
    def test_ranks_that_disagree(self):
        with longhaul.loopback([1, 1]) as ranks:
            results = support.in_threads(lambda comm, count: comm.all_reduce(bytearray(count)), (ranks[0], 8), (ranks[1], 9))
            for result in results:
                self.assertIsInstance(result, longhaul.InvalidUsageError)
                self.assertRegex(result.text, "rank")
            with self.assertRaises(longhaul.Error):  # final
                ranks[0].ready()

    def test_a_deadline(self):
        with longhaul.loopback([1, 1]) as ranks:
            with self.assertRaises(longhaul.TimedOutError) as caught:
                ranks[0].all_reduce(bytearray(8), timeout=0.05)
            self.assertIsInstance(caught.exception, TimeoutError)
            self.assertIs(caught.exception.code, longhaul.Result.TIMEOUT)
            self.assertRegex(caught.exception.text, "has not|not called|rank")

    def test_a_request_raises_its_error_every_time(self):
        with longhaul.loopback([1, 1]) as ranks:
            request = ranks[0].all_reduce_async(bytearray(8), timeout=0.05)
            for _ in range(2):
                with self.assertRaises(longhaul.TimedOutError):
                    request.wait()
            self.assertTrue(request.test())

    def test_a_group_raises_the_first_error(self):
        with longhaul.loopback([1, 1]) as ranks:
            with self.assertRaises(longhaul.TimedOutError):
                with longhaul.group():
                    ranks[0].all_reduce(bytearray(8), timeout=0.05)

    def test_an_exception_inside_a_group_goes_on_and_ends_it(self):
        with longhaul.loopback([1, 1]) as ranks:
            with self.assertRaisesRegex(KeyError, "mine"):
                with longhaul.group():
                    for comm in ranks:
                        comm.barrier()
                    raise KeyError("mine")
            support.on_all(ranks, lambda _, comm: comm.barrier())  # no group is open


class Closing(unittest.TestCase):
    def test_abort(self):
        with longhaul.loopback([1, 1]) as ranks:
            issued = threading.Event()

            def blocked(comm):
                issued.set()
                comm.barrier()
            def aborting(comm):
                issued.wait()
                comm.abort()
            results = support.in_threads(lambda function, comm: function(comm), (blocked, ranks[0]), (aborting, ranks[0]))
            self.assertIsInstance(results[0], longhaul.AbortedError)
            with self.assertRaises(longhaul.RemoteError):
                ranks[1].barrier()

    def test_close_twice_and_calls_after_it(self):
        ranks = longhaul.loopback([1, 1])
        for _ in range(2):
            ranks.close()
        self.assertTrue(ranks[0].closed)
        for call in (lambda c: c.barrier(), lambda c: c.all_reduce(bytearray(4)), lambda c: c.stats(), lambda c: c.rank, lambda c: c.abort()):
            with self.assertRaisesRegex(longhaul.InvalidUsageError, "the communicator is closed"):
                call(ranks[0])

    def test_close_under_a_call_of_another_thread(self):
        ranks = longhaul.loopback([1, 1])
        self.assertEqual(ranks[0].device, -1)  # the first call would ask for it, and be a user for that moment
        results = []

        def blocked():
            try:
                ranks[0].barrier()
            except longhaul.Error as error:
                results.append(error)
        thread = threading.Thread(target=blocked)
        thread.start()
        while ranks[0]._handle._users == 0:
            pass
        ranks.close()
        thread.join()
        self.assertIsInstance(results[0], longhaul.AbortedError)

    def test_close_with_requests_in_flight(self):
        ranks = longhaul.loopback([1, 1])
        memory = bytearray(8)
        waited, dropped = ranks[0].all_reduce_async(memory), weakref.ref(ranks[0].all_reduce_async(memory))
        self.assertIsNotNone(dropped())  # its memory is still in use
        ranks.close()
        with self.assertRaises(longhaul.AbortedError):
            waited.wait()
        self.assertIsNone(dropped())
        del waited
        memory.extend(b"free again")

    def test_close_inside_a_group(self):
        with longhaul.loopback([1, 1]) as ranks:
            with longhaul.group():
                for comm in ranks:
                    comm.barrier()
                with self.assertRaisesRegex(longhaul.InvalidUsageError, "end the group first"):
                    ranks[0].close()

    def test_dropped_inside_a_group(self):
        with longhaul.group():
            for comm in longhaul.loopback([1, 1]):
                comm.all_reduce(array.array("f", [1.0]))
            del comm
            gc.collect()

    def test_dropped_communicators_are_freed(self):
        ranks = longhaul.loopback([1, 1])
        handle = ranks[0]._handle
        del ranks
        gc.collect()
        self.assertTrue(handle.closed)

    def test_the_program_may_forget_to_close(self):
        self.assertEqual(self.program("request = ranks[0].all_reduce_async(bytearray(8))\nprint('end')"), "end\n")

    @unittest.skipUnless(hasattr(os, "fork"), "needs fork")
    def test_a_forked_child_cannot_use_it(self):
        said = self.program("import os\nchild = os.fork()\nif child == 0:\n"
                            "  try:\n    ranks[0].barrier()\n  except longhaul.InvalidUsageError as error:\n    print(error, flush=True)\n"
                            "  ranks.close()\nelse:\n  print(os.waitpid(child, 0)[1])")
        self.assertIn("belongs to the parent process", said)
        self.assertEqual(said.splitlines()[-1], "0")

    def program(self, text):
        """What a program says that has created two ranks and does this."""
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", "import longhaul\nranks = longhaul.loopback([1, 1])\n" + text],
                              env=dict(os.environ, PYTHONPATH=str(support.PACKAGE)), capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotRegex(done.stderr, "Traceback|ignored")  # the library may warn that a rank left
        return done.stdout


if __name__ == "__main__":
    unittest.main()
