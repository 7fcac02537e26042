#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""benchmarks/wan_bench.py and plot_wan.py without a network: units, options, runs that go on, jobs that fail, what is drawn."""
import contextlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import plot_wan  # noqa: E402
import wan_bench  # noqa: E402
from wan import matrix, peers  # noqa: E402
from wan.jobs import JobFailed, run_together  # noqa: E402
from wan.results import Results  # noqa: E402
from wan.units import parse_ms, parse_share, parse_size, size_text  # noqa: E402


class Units(unittest.TestCase):
    def test_sizes(self):
        for text, size in (("8", 8), ("4K", 4096), ("64M", 64 << 20), ("1g", 1 << 30), (" 12 ", 12)):
            self.assertEqual(parse_size(text), size)
        for text in ("", "0", "6", "-4", "1.5M", "4KB", "M", "x"):
            with self.assertRaisesRegex(ValueError, f"'{text}' is no size"):
                parse_size(text)
        for size, text in ((8, "8"), (4096, "4K"), (1 << 20, "1M"), (1 << 30, "1G"), (1536 << 10, "1536K"), (1028, "1028")):
            self.assertEqual((size_text(size), parse_size(text)), (text, size))

    def test_times_and_shares(self):
        self.assertEqual([parse_ms(text) for text in ("15ms", "1.5s", "500us")], [15, 1500, 0.5])
        self.assertEqual([parse_share(text) for text in ("0", "1e-3", "0.01")], [0, 0.001, 0.01])
        for text in ("15", "ms", "-1ms", ""):
            self.assertRaises(ValueError, parse_ms, text)
        for text in ("1", "-0.1", "1%", "nan", ""):
            self.assertRaises(ValueError, parse_share, text)


class Options(unittest.TestCase):
    def refused(self, words, text):
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors), self.assertRaises(SystemExit):
            wan_bench.parse_options(words)
        self.assertIn(text, errors.getvalue())

    def test_usual_and_matrix(self):
        usual = wan_bench.parse_options([])
        self.assertEqual((usual.rtt, usual.loss, usual.sizes), (["15ms"], ["0"], [8, 4096, 64 << 20]))
        self.assertEqual([rows for _, _, rows in matrix.cases(usual)],
                         [[(8, "none"), (4096, "none"), (64 << 20, "none"), (64 << 20, "bf16"), (64 << 20, "i8")]])
        links = matrix.cases(wan_bench.parse_options(["--matrix", "--loss", "0,0.01", "--codecs", "i8"]))
        self.assertEqual([(rtt, loss) for rtt, loss, _ in links], [(rtt, loss) for rtt in ("1ms", "15ms", "80ms") for loss in ("0", "0.01")])
        self.assertEqual(links[0][2], [(64 << 20, "i8")])

    def test_nonsense_is_refused(self):
        self.refused(["--sizes", "8,6"], "'6' is no size")
        self.refused(["--rtt", "15"], "'15' is no time")
        self.refused(["--loss", "2"], "'2' is no share")
        self.refused(["--peers", "nccl"], "'nccl' is no peer")
        with tempfile.TemporaryDirectory() as build:
            self.refused(["--peers", "gloo", "--build", build], "has no gloo_all_reduce: install")


class GoingOn(unittest.TestCase):
    """Three links of two rows; measure() is replaced, what is kept is not."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "rows.json"
        self.words = ["--rtt", "1ms,15ms,80ms", "--sizes", "64M", "--codecs", "none,i8", "--json", str(self.path)]

    def run_matrix(self, measured, stop_at=None, fail_at=None, words=()):
        """Appends to `measured` what was measured; ends as a Ctrl-C would at the row with that number."""
        options = wan_bench.parse_options([*self.words, *words])

        def measure(emulator, _, size, codec):
            if len(measured) == stop_at:
                raise KeyboardInterrupt
            measured.append((emulator.rtt, codec))
            return {"error": "broken"} if len(measured) - 1 == fail_at else {"limit_ms": 1.0}

        def emulator(_, rtt, *__):
            up = mock.MagicMock()
            up.__enter__.return_value.rtt = rtt
            return up

        with mock.patch.object(matrix, "measure", measure), mock.patch.object(matrix, "Emulator", emulator):
            return matrix.run(options, Results(options.json, options.kept), lambda row: None)

    ALL = [(rtt, codec) for rtt in ("1ms", "15ms", "80ms") for codec in ("none", "i8")]

    def test_an_interrupted_run_goes_on(self):
        first, second, third = [], [], []
        with self.assertRaises(KeyboardInterrupt):
            self.run_matrix(first, stop_at=3)
        self.assertEqual(len(json.loads(self.path.read_text())["results"]), 3)
        self.assertEqual(self.run_matrix(second), 0)
        self.assertEqual(first + second, self.ALL)
        self.run_matrix(third)
        self.assertEqual(third, [])

    def test_what_failed_is_tried_again(self):
        first, second = [], []
        self.assertEqual(self.run_matrix(first, fail_at=2), 1)
        self.assertEqual(self.run_matrix(second), 0)
        self.assertEqual((first, second), (self.ALL, [self.ALL[2]]))
        self.assertEqual([row for row in json.loads(self.path.read_text())["results"] if "error" in row], [])

    def test_other_options_are_not_mixed(self):
        self.run_matrix([])
        with self.assertRaisesRegex(ValueError, "another --iterations"):
            self.run_matrix([], words=["--iterations", "3"])
        more = []
        self.run_matrix(more, words=["--sizes", "64M,8"])  # more rows of the same kind are welcome
        self.assertEqual(more, [("1ms", "none"), ("15ms", "none"), ("80ms", "none")])

    def test_a_file_of_something_else(self):
        for text in ("", "[]", "{}", '{"results": []}'):
            self.path.write_text(text)
            with self.assertRaisesRegex(ValueError, "holds no results"):
                self.run_matrix([])
            self.assertEqual(self.path.read_text(), text)


class Jobs(unittest.TestCase):
    def test_outputs_and_environment(self):
        self.assertEqual(run_together([["echo", "a"], ["sh", "-c", "echo $B"]], 60, [{}, {"B": "b"}]), ["a\n", "b\n"])

    def test_one_failure_ends_all_and_is_named(self):
        with self.assertRaisesRegex(JobFailed, "(?s)exit 3: failed with status 3.*why"):
            run_together([["sleep", "1000"], ["sh", "-c", "echo why >&2; exit 3"]], 60, grace=0.1)

    def test_what_does_not_end_is_ended(self):
        with self.assertRaisesRegex(JobFailed, "did not end within 0.2 s"):
            run_together([["sleep", "1000"]], 0.2)


class Peers(unittest.TestCase):
    def test_names(self):
        self.assertEqual(peers.parse_peers("none"), ())
        self.assertEqual(peers.parse_peers("all"), ("ompi-tcp", "ompi-ucx", "ompi-han", "gloo"))
        self.assertEqual(peers.parse_peers("gloo,ompi-tcp"), ("gloo", "ompi-tcp"))
        self.assertRaises(ValueError, peers.parse_peers, "")

    def test_bytes_around_the_link_are_noticed(self):
        peers.check_bytes({"wire_bytes_out": 100, "wire_bytes_in": 100}, 100)
        with self.assertRaisesRegex(JobFailed, "89 bytes crossed"):
            peers.check_bytes({"wire_bytes_out": 200, "wire_bytes_in": 89}, 100)

    def test_the_fastest_that_works_counts(self):
        def run(emulator, options, size, setting):
            if setting == "broken":
                raise JobFailed("crash")
            return {"median_ms": setting, "wire_bytes_out": 0 if setting == 1 else 8, "wire_bytes_in": 8}

        with mock.patch.object(peers, "open_mpi", run), mock.patch.dict(peers.OMPI, {"ompi-tcp": {"a": 3, "b": "broken", "c": 2, "cheat": 1}}):
            found = peers.measure(mock.MagicMock(), None, "ompi-tcp", 8)
            self.assertEqual((found["best"]["settings"], found["best"]["median_ms"]), ("c", 2))
            self.assertEqual([one["settings"] for one in found["tried"] if "error" in one], ["b", "cheat"])
        with mock.patch.object(peers, "open_mpi", run), mock.patch.dict(peers.OMPI, {"ompi-tcp": {"b": "broken"}}):
            self.assertIsNone(peers.measure(mock.MagicMock(), None, "ompi-tcp", 8)["best"])


class Table(unittest.TestCase):
    LINK = {"late": 0.001, "retransmitted_segments": 7}
    ROW = {"size": 1 << 20, "codec": "none", "limit_ms": 16.3, "sockets_ms": 15.0, "wire_bytes": 1.1e6, "cpu_s_per_gb": 5.0, "link": LINK,
           "out_of_place": {"time": 17000, "time_p99": 18000, "nwrong": 0},
           "peers": {"gloo": {"best": {"settings": "ring", "median_ms": 46, "p99_ms": 47, "wrong": 0, "link": LINK, "wire_bytes_out": 1 << 20,
                                       "wire_bytes_in": 2 << 20, "cpu_s_per_gb": 4.4},
                              "tried": [{"settings": "ring", "median_ms": 46}, {"settings": "bcube", "error": "x\nboom\n"}]}}}

    def test_lines(self):
        lines = wan_bench.lines(self.ROW)
        self.assertEqual(lines[0].split(), ["1M", "none", "17.00", "18.00", "16.30", "0.959", "15.00", "0", "0.10%", "1.05", "5.00", "7"])
        self.assertEqual(lines[1].split(), ["1M", "gloo", "46.00", "47.00", "16.30", "0.354", "-", "0", "0.10%", "2.00", "4.40", "7", "ring"])
        self.assertIn("failed with bcube: boom", lines[2])
        self.assertEqual(len(lines[0]), len(wan_bench.HEADER))

    def test_what_tuning_gained_is_told(self):
        best, other = {"settings": "b", "median_ms": 5}, {"settings": "a", "median_ms": 9.5}
        self.assertEqual(wan_bench.first_setting({"best": best, "tried": [other, best]}), " (a: 9.50)")
        self.assertEqual(wan_bench.first_setting({"best": best, "tried": [best, other]}), "")
        self.assertEqual(wan_bench.first_setting({"best": best, "tried": [{"settings": "a", "error": "x"}, best]}), "")

    def test_what_is_drawn(self):
        small = {**self.ROW, "size": 8, "limit_ms": 7.5, "sockets_ms": None, "peers": {"gloo": {"best": None, "tried": []}}}
        found, limit = plot_wan.times([self.ROW, small])
        self.assertEqual(found, {"longhaul": {1 << 20: 17, 8: 17}, "sockets": {1 << 20: 15}, "gloo": {1 << 20: 46}, "gloo-ring": {1 << 20: 46}})
        self.assertEqual(list(limit.items()), [(8, 7.5), (1 << 20, 16.3)])

    def test_labels_keep_apart(self):
        self.assertEqual(plot_wan.spread([0, 1, 2], 1), [0, 1, 2])
        self.assertEqual(plot_wan.spread([0, 0, 5], 1), [-0.5, 0.5, 5])
        places = plot_wan.spread([0, 0.1, 0.1, 0.9, 1.2], 0.5)
        self.assertTrue(all(b - a >= 0.5 - 1e-9 for a, b in zip(places, places[1:])), places)


if __name__ == "__main__":
    unittest.main()
