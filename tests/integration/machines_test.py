#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Jobs over several "machines": network namespaces joined by longhaul emulate, so that nothing is shared but the network.
Usage: machines_test.py LONGHAUL ALL_REDUCE_PERF. Exit status 77: no namespaces or TUN devices here, nothing was tested."""
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

PERF = sys.argv.pop()
LONGHAUL = sys.argv.pop()
NAME = f"machines{os.getpid()}"


def emulate(*arguments):
    return subprocess.run([LONGHAUL, "emulate", arguments[0], "--name", NAME, *arguments[1:]], capture_output=True, text=True, timeout=60)


class Machines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        up = emulate("up", "--sites", "m0,m1,m2", "--rtt", "4ms", "--rate", "500mbit")
        if up.returncode != 0:
            print(f"skipped: {up.stderr.strip()}")
            os._exit(77)
        cls.address = {s["name"]: s["address"] for s in json.loads(emulate("show", "--json").stdout)["sites"]}

    @classmethod
    def tearDownClass(cls):
        emulate("down")

    def run_job(self, sites, arguments, during=None, wan="", wan_of=None):
        """sites: {site: [machine of each rank]}; wan_of: settings of single machines. Returns rank 0's results after checking that every rank ended
        well."""
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "job.toml"
            config.write_text('run_id = "machines"\n[wan]\nencryption = "off"\n' + "".join(
                f'[[site]]\nname = "{site}"\naddress = "{self.address[machines[0]]}:47000"\n' for site, machines in sites.items()))
            jobs = []
            for site, machines in sites.items():
                for rank, machine in enumerate(machines):
                    environment = {**os.environ, "LONGHAUL_CONFIG": str(config), "LONGHAUL_SITE": site, "LONGHAUL_SITE_RANK": str(rank),
                                   "LONGHAUL_SITE_SIZE": str(len(machines)), "LONGHAUL_SITE_ADDRESS": f"{self.address[machines[0]]}:47100"}
                    command = [LONGHAUL, "emulate", "exec", "--name", NAME, machine, "--", PERF, *arguments, "--wan", f"timeout=30s{wan}" + (wan_of or {}).get(machine, "")]
                    if not jobs:
                        command += ["-J", f"{folder}/result.json"]
                    jobs.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
            if during:
                during()
            for job in jobs:
                output, _ = job.communicate(timeout=90)
                self.assertEqual(job.returncode, 0, output)
            return json.loads((Path(folder) / "result.json").read_text())["results"]

    def assert_right(self, results):
        for row in results:
            for half in ("out_of_place", "in_place"):
                self.assertEqual(row[half]["nwrong"], 0, row)

    def test_a_site_of_two_machines(self):
        """Without shared memory the ranks of a site reach each other through sessions as well."""
        self.assert_right(self.run_job({"wisconsin": ["m0", "m1"], "atlanta": ["m2"]},
                                       ["-b", "4", "-e", "1M", "-f", "64", "-n", "3", "--codec", "all", "-o", "sum,max"]))

    def test_three_sites_with_loss(self):
        emulate("set", "--loss", "0.01", "--burst", "3")
        try:
            self.assert_right(self.run_job({"a": ["m0"], "b": ["m1"], "c": ["m2"]},
                                           ["-b", "8", "-e", "2M", "-f", "512", "-n", "3", "--codec", "all"]))
        finally:
            emulate("set", "--loss", "0")

    def test_an_outage_costs_time_and_nothing_else(self):
        """Long enough for the streams to be given up and opened again."""
        begun = time.monotonic()

        def cut():
            time.sleep(1.5)
            emulate("set", "--link", "down")
            time.sleep(5)
            emulate("set", "--link", "up")

        results = self.run_job({"a": ["m0"], "b": ["m1"]}, ["-b", "4M", "-e", "4M", "-n", "20", "--codec", "none"], during=cut)
        self.assert_right(results)
        self.assertGreater(time.monotonic() - begun, 6.5)

    def test_ports_and_bind_are_kept(self):
        """What a firewall needs to know: nothing of a rank listens outside `ports`, but for the places where the job meets."""
        listeners = set()

        def look():
            for _ in range(40):
                seen = subprocess.run([LONGHAUL, "emulate", "exec", "--name", NAME, "m1", "--", "ss", "-Hltn"], capture_output=True, text=True, timeout=20)
                listeners.update(line.split()[3] for line in seen.stdout.splitlines())
                time.sleep(0.05)

        own = self.address["m1"]
        results = self.run_job({"a": ["m0"], "b": ["m1"]}, ["-b", "256K", "-e", "256K", "-n", "300", "--codec", "none"], during=look,
                               wan_of={"m0": ",ports=48000-48015", "m1": f",ports=47200-47231,bind={own},advertise={own}"})
        self.assert_right(results)
        transport = {one for one in listeners if int(one.rsplit(":", 1)[1]) not in (47000, 47100)}
        self.assertTrue(transport, "no listener was seen")
        for one in transport:
            self.assertIn(int(one.rsplit(":", 1)[1]), range(47200, 47232), listeners)

    def test_a_rate_limit_is_kept(self):
        """4 MiB at 40 Mbit/s take 0.84 s, 0.1 s less because the first frame of a call goes at once; without the limit 0.07 s."""
        (row,) = self.run_job({"a": ["m0"], "b": ["m1"]}, ["-b", "4M", "-e", "4M", "-n", "3", "-c", "0"], wan=",rate_limit=40mbit")
        self.assertGreater(row["out_of_place"]["time"] / 1e6, 0.7)


if __name__ == "__main__":
    unittest.main()
