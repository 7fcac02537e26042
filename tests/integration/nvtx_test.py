#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The NVTX ranges of a run, recorded by a tool that NVTX loads: every stage of every chunk, each begun once and ended once.

usage: nvtx_test.py ALL_REDUCE_PERF RECORDER [DOUBLE OF CUDA AND NCCL]
"""
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PERF, RECORDER, *DOUBLE = sys.argv[1:]
sys.argv = sys.argv[:1]
STAGES = {"collect", "send", "exchange", "combine", "distribute"}
CHUNKS = 4  # of 256 KiB


class Ranges(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_perf(self, *arguments, tool=True, **environment):
        record = self.folder / "record"
        given = {"NVTX_INJECTION64_PATH": RECORDER, "LH_NVTX_RECORD": str(record)} if tool else {}
        done = subprocess.run([PERF, *arguments], capture_output=True, text=True, check=False, timeout=100, cwd=self.folder,
                              env={**os.environ, **given, **environment})
        lines = [line.split() for line in record.read_text(encoding="utf-8").splitlines()] if record.exists() else []
        return done, lines

    def ranges(self, lines):
        """[(stage, chunk)]; every range has one begin and, behind it, one end."""
        names, ended = {}, set()
        for kind, number, *rest in lines:
            if kind == "start":
                self.assertNotIn(number, names)
                names[number] = (rest[0], int(rest[1]))
            else:
                self.assertIn(number, names)
                self.assertNotIn(number, ended)
                ended.add(number)
        self.assertEqual(set(names), ended)
        return list(names.values())

    def check(self, *arguments, **environment):
        done, lines = self.run_perf("--sites", "2", "-b", "1M", "-e", "1M", "-n", "1", "-w", "0", "-c", "0", "--codec", "i8", "--wan", "chunk=256KiB",
                                    "--wan-rtt", "2ms", *arguments, **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = self.ranges(lines)
        self.assertEqual({name for name, _ in found}, STAGES)
        # Two calls, out of place and in place, at each of four ranks.
        for chunk in range(CHUNKS):
            for stage in STAGES - {"exchange"}:  # which is not there where everything has arrived before
                self.assertGreaterEqual(found.count((stage, chunk)), 2 * 4, (stage, chunk))

    def test_host_memory(self):
        self.check("-g", "4")

    @unittest.skipUnless(DOUBLE, "the double cannot be loaded before a sanitizer")
    def test_gpus(self):
        self.check("-g", "4", "--device", "0", LD_PRELOAD=DOUBLE[0])

    def test_a_call_that_fails_ends_its_ranges(self):
        done, lines = self.run_perf("--sites", "2", "-g", "2", "-b", "4M", "-e", "4M", "-n", "1", "-c", "0", "--wan", "timeout=1s", "--wan-rate", "1mbit")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertTrue(self.ranges(lines))

    def test_without_a_tool_nothing_is_said(self):
        done, lines = self.run_perf("-g", "2", "-b", "4K", "-e", "4K", "-n", "1", tool=False, LH_NVTX_RECORD=str(self.folder / "record"))
        self.assertEqual((done.returncode, lines), (0, []))


if __name__ == "__main__":
    unittest.main()
