#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""all_reduce_perf --device on the double of CUDA and NCCL: one process, mpirun and configured launches, the baseline, and what is refused.
The double's NCCL meets its ranks in one process, so launches of several processes here have one rank a site.

usage: perf_gpu_test.py ALL_REDUCE_PERF DOUBLE [MPIRUN FLAGS ...]
"""
import json
import os
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PERF, DOUBLE, *MPIRUN = sys.argv[1:]
sys.argv = sys.argv[:1]
SMALL = ["-b", "4", "-e", "256K", "-f", "256", "-n", "2"]


class PerfGpu(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def start(self, *arguments, launcher=(), double=True, **environment):
        given = {"LD_PRELOAD": DOUBLE, "LH_GPU_DOUBLE_REPORT": "1"} if double else {}
        preload = [word for name in given for word in ("-x", name)] if launcher else []
        return subprocess.Popen([*launcher, *preload, PERF, *arguments], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={**os.environ, **given, **environment})

    def finish(self, process):
        out, err = process.communicate(timeout=100)
        for bad in ("violation: ", "left over: "):
            self.assertNotIn(bad, err)
        return process.returncode, out, err

    def perf(self, *arguments, **options):
        return self.finish(self.start(*arguments, **options))

    def good(self, *arguments, **options):
        """The JSON of a run that must end well."""
        status, out, err = self.perf(*arguments, "-J", "r.json", **options)
        self.assertEqual(status, 0, out + err)
        self.assertIn("# Out of bounds values : 0 OK", out)
        return json.loads((self.folder / "r.json").read_text(encoding="utf-8"))

    def refused(self, *arguments, says, status=3, **options):
        found, out, err = self.perf(*arguments, **options)
        self.assertEqual(found, status, out + err)
        self.assertIn(says, err)

    def gpus(self, document):
        return [device["gpu"] for device in document["config"]["devices"]]

    def test_baseline_has_its_numbers_beside_ours(self):
        document = self.good("--device", "1", "--sites", "2", "-g", "4", *SMALL, "--codec", "none,i8", "-o", "sum,avg,max", "-d", "float,int32,half",
                             "--baseline", "nccl")
        self.assertEqual(self.gpus(document), [1, 2, 3, 0])
        self.assertEqual(document["config"]["baseline"], "nccl")
        self.assertGreaterEqual(len(document["results"]), 18)
        for row in document["results"]:
            flat = row["flat_nccl"]
            for half in (flat["out_of_place"], flat["in_place"]):
                self.assertEqual(half["nwrong"], 0)
                self.assertGreater(half["time"], 0)
                self.assertAlmostEqual(half["algbw"], row["size"] / half["time"] / 1e3)
                self.assertAlmostEqual(half["busbw"], half["algbw"] * 2 * 3 / 4)
            self.assertAlmostEqual(flat["time_ratio"], flat["out_of_place"]["time"] / row["out_of_place"]["time"])

    def test_without_baseline_nothing_of_it(self):
        document = self.good("--device", "0", "-g", "2", *SMALL)
        self.assertTrue(all("flat_nccl" not in row for row in document["results"]))

    def test_trace_and_what_limits(self):
        arguments = ["--device", "0", "--sites", "2", "-g", "4", *SMALL, "--codec", "none,i8"]
        document = self.good(*arguments, "--trace", "t.json")
        for row in document["results"]:
            gpu = row["gpu"]
            self.assertGreater(min(gpu["reduce_scatter_ms"], gpu["encode_ms"], gpu["all_gather_ms"]), 0)
            self.assertIn(gpu["limit"], ("reduce-scatter + encode", "decode", "all-gather", "link", "none"))
        events = json.loads((self.folder / "t.json").read_text(encoding="utf-8"))["traceEvents"]
        self.assertEqual({event["pid"] for event in events if event.get("cat") == "gpu"}, {0, 1, 2, 3})
        self.assertLessEqual({"reduce-scatter", "copy out", "all-gather"}, {event["name"] for event in events if event.get("cat") == "gpu"})
        self.assertTrue(all("gpu" not in row for row in self.good(*arguments)["results"]))

    def test_baseline_needs_gpus(self):
        self.refused("-g", "2", *SMALL, "--baseline", "nccl", says="--baseline nccl needs --device", status=2)
        self.refused("-g", "2", *SMALL, "--device", "0", "--baseline", "mpi", says="--baseline", status=2)

    def test_baseline_needs_a_gpu_each(self):
        """Sites may share a GPU, ranks of one NCCL communicator may not."""
        self.refused("--device", "0", "--sites", "2", "-g", "5", *SMALL, "--baseline", "nccl",
                     says="--baseline nccl: rank 0 and rank 4 use the same GPU")
        self.good("--device", "0", "--sites", "2", "-g", "5", *SMALL, "--baseline", "nccl", NCCL_MULTI_RANK_GPU_ENABLE="1")

    def test_no_driver_and_no_such_gpu(self):
        self.refused("--device", "0", "-g", "2", *SMALL, says="no CUDA driver on this machine", double=False)
        self.refused("--device", "4", "-g", "2", *SMALL, says="this process sees 4 GPUs")

    @unittest.skipUnless(MPIRUN, "built without MPI")
    def test_mpirun_one_gpu_a_process(self):
        document = self.good("--device", "3", "--sites", "3", *SMALL, "--codec", "none,i8", launcher=[*MPIRUN, "-n", "3"])
        self.assertEqual(self.gpus(document), [3, 0, 1])
        self.assertTrue(all(row["out_of_place"]["nwrong"] == row["in_place"]["nwrong"] == 0 for row in document["results"]))

    @unittest.skipUnless(MPIRUN, "built without MPI")
    def test_mpirun_ranks_of_a_site_on_one_gpu(self):
        self.refused("--device", "0", "--sites", "1", *SMALL, launcher=[*MPIRUN, "-n", "5"],
                     says="rank 0 and rank 4 of site site0 use the same GPU")

    @unittest.skipUnless(MPIRUN, "built without MPI")
    def test_mpirun_without_a_driver(self):
        self.refused("--device", "0", *SMALL, launcher=[*MPIRUN, "-n", "2"], says="--device: ", double=False)
        self.refused("--device", "7", *SMALL, launcher=[*MPIRUN, "-n", "2"], says="--device 7: this process sees 4 GPUs")

    def test_configured_launches(self):
        """Two launches of one process; what their ranks tell each other goes over the device communicator itself."""
        with socket.socket() as one, socket.socket() as other:
            for each in (one, other):
                each.bind(("127.0.0.1", 0))
            sites = ",".join(f"{name}=127.0.0.1:{each.getsockname()[1]}" for name, each in (("a", one), ("b", other)))
        launches = [self.start("--device", gpu, *SMALL, "-J", f"{site}.json", LONGHAUL_SITES=sites, LONGHAUL_SITE=site, LONGHAUL_RUN_ID="perf_gpu_test")
                    for site, gpu in (("a", "0"), ("b", "2"))]
        for status, out, err in [self.finish(launch) for launch in launches]:
            self.assertEqual(status, 0, out + err)
        document = json.loads((self.folder / "a.json").read_text(encoding="utf-8"))
        self.assertEqual(self.gpus(document), [0, 2])
        self.assertTrue(all(row["out_of_place"]["nwrong"] == 0 for row in document["results"]))


if __name__ == "__main__":
    unittest.main()
