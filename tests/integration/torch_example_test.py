#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/torch end to end: real namespaces, gloo across both sites beside Longhaul, a few steps. Usage: torch_example_test.py BUILD.
Exit status 77: no torch, or this machine does not allow network namespaces or TUN devices; nothing was tested."""
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD = Path(sys.argv.pop(1)).resolve()
STUDY = Path(__file__).resolve().parents[2] / "examples/torch/study.py"
SEEN = ("gloo", "none", "lossless", "i8", "r4")


def study(folder):
    training = "--width 64 --layers 2 --verify-every 4 --eval-every 5"
    return subprocess.run([sys.executable, "-B", str(STUDY), "--training", training, "--build", str(BUILD), "--output", folder,
                           "--modes", ",".join(SEEN), "--fast-modes", "", "--seeds", "0", "--steps", "10"], capture_output=True, text=True,
                          env=dict(os.environ, LONGHAUL_LIBRARY=str(BUILD)))


class Example(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.done = study(cls.folder.name)
        cls.rows = {row["mode"]: row for row in map(json.loads, (Path(cls.folder.name) / "results.jsonl").read_text().splitlines())}

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_all_modes_ran_and_their_replicas_were_compared(self):
        self.assertEqual(self.done.returncode, 0, self.done.stdout + self.done.stderr)
        self.assertEqual(tuple(self.rows), SEEN)
        self.assertEqual([row["checks"] for row in self.rows.values()], [4] * len(SEEN))  # before, after 4, 8 and 10 steps

    def test_exact_modes_learn_the_same(self):
        for i, (flat, exact) in enumerate(zip(self.rows["gloo"]["losses"], self.rows["none"]["losses"])):
            self.assertAlmostEqual(flat, exact, delta=1e-5, msg=f"step {i + 1}")
        for series in ("losses", "validation"):
            self.assertEqual(self.rows["lossless"][series], self.rows["none"][series])
        self.assertLess(self.rows["none"]["validation"][-1][1], self.rows["none"]["validation"][0][1] - 0.1)

    def test_codecs_change_the_bytes_and_little_else(self):
        size = 4 * self.rows["none"]["parameters"]
        # What another rank of the site sends while rank 0 is between two steps is not counted: the lower bounds leave room for that.
        for mode, least, most in (("gloo", 1.1, 2.5), ("none", 0.7, 1.3), ("i8", 0.17, 0.45), ("r4", 0.08, 0.35)):
            for sent in self.rows[mode]["sent_bytes"]:
                self.assertTrue(least * size < sent < most * size, f"{mode}: {sent} bytes a step for {size} of gradient")
        self.assertNotEqual(self.rows["i8"]["losses"], self.rows["none"]["losses"])
        self.assertAlmostEqual(self.rows["i8"]["validation"][-1][1], self.rows["none"]["validation"][-1][1], delta=0.05)

    def test_a_second_start_measures_nothing_and_reports(self):
        again = study(self.folder.name)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertNotIn(" s a step, ", again.stdout)
        self.assertIn("| `i8` |", (Path(self.folder.name) / "table.md").read_text())


if __name__ == "__main__":
    probe = [str(BUILD / "bin/longhaul"), "emulate"]
    name = f"traintest{os.getpid()}"
    if importlib.util.find_spec("torch") is None:
        print("no torch: skipped")
        sys.exit(77)
    if subprocess.run([*probe, "up", "--name", name, "--sites", "a,b"], capture_output=True).returncode != 0 or os.geteuid() != 0:
        print("no namespaces or TUN devices: skipped")
        sys.exit(77)
    subprocess.run([*probe, "down", "--name", name], check=True, capture_output=True)
    unittest.main()
