#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""all_reduce_perf --report and --trace as a user types them: which files are there afterwards, what they hold, what is refused.

usage: perf_report_test.py ALL_REDUCE_PERF [MPIRUN FLAGS ...]      exit status 77 (skipped): no matplotlib
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PERF, *MPIRUN = sys.argv[1:]
sys.argv = sys.argv[:1]
SMALL = ["-b", "4K", "-e", "1M", "-f", "256", "-n", "2", "--codec", "none,i8", "--wan-rtt", "2ms", "--wan-rate", "2gbit"]


class PerfReport(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def perf(self, *arguments, launcher=(), **environment):
        return subprocess.run([*launcher, PERF, *arguments], cwd=self.folder, capture_output=True, text=True, check=False, timeout=120,
                              env={**os.environ, **environment})

    def files(self):
        return sorted(path.name for path in self.folder.iterdir())

    def check_report(self, done, ranks):
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("writing wan.html ...", done.stderr)
        self.assertEqual(self.files(), ["wan.html", "wan.result.json", "wan.trace.json"])
        page = (self.folder / "wan.html").read_text(encoding="utf-8")
        results = json.loads((self.folder / "wan.result.json").read_text(encoding="utf-8"))["results"]
        self.assertEqual(len(results), 4)
        for row in results:
            self.assertIn(f"<td>{row['out_of_place']['time'] / 1e3:.3f}</td>", page)
        events = json.loads((self.folder / "wan.trace.json").read_text(encoding="utf-8"))["traceEvents"]
        self.assertEqual({event["pid"] for event in events}, set(range(ranks)))
        self.assertIn("Pipeline of lhAllReduce #", page)

    def test_one_process(self):
        (self.folder / "wan.trace.json.rank7.json").write_text("of an earlier run", encoding="utf-8")
        self.check_report(self.perf("--sites", "2", "-g", "4", *SMALL, "--report", "wan.html"), 4)

    @unittest.skipUnless(MPIRUN, "built without MPI")
    def test_mpirun(self):
        self.check_report(self.perf("--sites", "2", *SMALL, "--report", "wan.html", launcher=[*MPIRUN, "-n", "4"]), 4)

    def test_trace_alone(self):
        done = self.perf("-g", "2", "-b", "4K", "-e", "4K", "-n", "1", "--trace", "t.json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.files(), ["t.json"])

    def test_missing_matplotlib_is_told_before_anything_is_measured(self):
        done = self.perf("-g", "2", *SMALL, "--report", "wan.html", PYTHONHOME="/nonexistent")
        self.assertEqual(done.returncode, 2)
        for word in ("python3-matplotlib", "-J FILE", "report.py"):
            self.assertIn(word, done.stderr)
        self.assertEqual((done.stdout, self.files()), ("", []))

    def test_unwritable_is_told_before_anything_is_measured(self):
        for flag, name in (("--report", "no/wan.html"), ("--trace", "no/t.json")):
            done = self.perf("-g", "2", *SMALL, flag, name)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"cannot write '{name}' ({flag})", done.stderr)
            self.assertEqual((done.stdout, self.files()), ("", []))


if __name__ == "__main__":
    try:
        import matplotlib  # noqa: F401 pylint: disable=unused-import
    except ImportError:
        print("skipped: no matplotlib (apt-get install python3-matplotlib)")
        sys.exit(77)
    unittest.main()
