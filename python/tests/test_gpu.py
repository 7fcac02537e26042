# SPDX-License-Identifier: Apache-2.0
"""Device communicators on the double of CUDA and NCCL: gpu_cases.py, gpu_bring_up.py and gpu_refusals.py, each in a process that has it preloaded."""
import importlib.util
import os
import subprocess
import sys
import unittest
from pathlib import Path

import support

FOLDER = Path(__file__).resolve().parent


@unittest.skipUnless(support.GPU_DOUBLE, "LONGHAUL_GPU_DOUBLE is not set: it names liblh_gpu_double.so of the build folder")
class OnTheDouble(unittest.TestCase):
    def test_cases(self):
        for cases in ("gpu_cases", "gpu_bring_up") + (("gpu_refusals",) if importlib.util.find_spec("torch") else ()):
            with self.subTest(cases):
                ended = subprocess.run([sys.executable, "-B", "-m", "unittest", cases], cwd=FOLDER, capture_output=True, text=True, timeout=120,
                                       env={**os.environ, "LD_PRELOAD": support.GPU_DOUBLE})
                self.assertEqual(ended.returncode, 0, ended.stderr[-6000:])
                self.assertRegex(ended.stderr, r"Ran [1-9]\d* tests?")


if __name__ == "__main__":
    unittest.main()
