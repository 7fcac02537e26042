#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The all-reduces that Longhaul is compared with: right sums, over the emulated link and not around it. Usage: peers_test.py BUILD.
Exit status 77: no namespaces or TUN devices here, nothing was tested."""
import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path
from types import SimpleNamespace

BUILD = Path(sys.argv.pop(1))
sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from wan import peers  # noqa: E402
from wan.emulator import SITES, Emulator  # noqa: E402

SIZE = 64 << 10
OPTIONS = SimpleNamespace(build=BUILD, ranks=2, iterations=1, timeout=60)


def open_mpi_has(component):
    """Whether mpirun is Open MPI's and has the component, e.g. "pml: ucx"."""
    info = shutil.which("ompi_info") and subprocess.run(["ompi_info"], capture_output=True, text=True, check=False).stdout
    return bool(info) and f"MCA {component}" in info


class Peers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open("/proc/sys/net/ipv4/tcp_congestion_control", encoding="ascii") as file:
            cls.emulator = Emulator(BUILD, "4ms", "1gbit", "0", file.read().strip())
        cls.emulator.name = f"peers{os.getpid()}"
        up = subprocess.run(cls.emulator.command("up", "--sites", ",".join(SITES)), capture_output=True, text=True, check=False)
        if up.returncode != 0:
            print(f"skipped: {up.stderr.strip()}")
            os._exit(77)
        subprocess.run(cls.emulator.command("down"), check=True, stdout=subprocess.DEVNULL)
        cls.emulator.__enter__()
        cls.addClassCleanup(cls.emulator.__exit__)

    def check(self, name, run, setting):
        if peers.missing(BUILD, [name]):
            self.skipTest(f"{peers.PROGRAM[name]} is not built")
        before = self.emulator.look()
        result = run(self.emulator, OPTIONS, SIZE, setting)
        link = self.emulator.since(before)
        self.assertEqual((result["wrong"], result["bytes"], result["ranks"]), (0, SIZE, 4))
        peers.check_bytes(result, SIZE)
        self.assertGreater(result["cpu_s"], 0)
        calls = result["iterations"] + result["warmup"] + 1
        for direction in link["bytes"]:
            self.assertGreaterEqual(direction, calls * SIZE, "shared memory between the sites?")

    def open_mpi(self, name, component):
        if not open_mpi_has(component):
            self.skipTest(f"no Open MPI with {component}")
        self.check(name, peers.open_mpi, next(iter(peers.OMPI[name].values())))

    def test_open_mpi_tcp(self):
        self.open_mpi("ompi-tcp", "btl: tcp")

    def test_open_mpi_ucx(self):
        self.open_mpi("ompi-ucx", "pml: ucx")

    def test_open_mpi_han(self):
        self.open_mpi("ompi-han", "coll: han")

    def test_gloo(self):
        for algorithm in peers.GLOO.values():
            with self.subTest(algorithm):
                self.check("gloo", peers.gloo, algorithm)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: needs root, network namespaces are entered from inside others")
        sys.exit(77)
    unittest.main()
