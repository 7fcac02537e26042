#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""longhaul doctor over an emulated link: what it measures, what it finds wrong, and that its remedy helps as it predicts.

  doctor_test.py LONGHAUL
"""
import json
import os
import signal
import subprocess
import sys
import unittest

LONGHAUL = sys.argv[1]
NAME = f"doctor{os.getpid()}"


def emulate(*arguments, **options):
    return subprocess.run([LONGHAUL, "emulate", arguments[0], "--name", NAME, *arguments[1:]], check=True, capture_output=True, text=True, **options)


def inside(site, *command):
    return [LONGHAUL, "emulate", "exec", "--name", NAME, site, "--", *command]


class Doctor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        emulate("up", "--sites", "a,b", "--rtt", "40ms", "--rate", "200mbit")
        cls.addClassCleanup(emulate, "down")
        cls.address = {s["name"]: s["address"] for s in json.loads(emulate("show", "--json").stdout)["sites"]}
        cls.listener = subprocess.Popen(inside("b", LONGHAUL, "doctor", "--listen"), stdout=subprocess.PIPE, text=True)
        assert "listening" in cls.listener.stdout.readline()

    @classmethod
    def tearDownClass(cls):
        cls.listener.send_signal(signal.SIGINT)
        cls.listener.wait(timeout=10)
        cls.listener.stdout.close()

    def report(self, streams="1,4"):
        command = inside("a", LONGHAUL, "doctor", "--to", self.address["b"], "--seconds", "0.6", "--streams", streams, "--json")
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)

    def test_distance_and_rate(self):
        report = self.report()
        self.assertGreaterEqual(report["rtt_ms"]["least"], 40)
        self.assertLess(report["rtt_ms"]["least"], 60)
        self.assertEqual(report["mtu"], 1500)
        best = max(min(c["up_bits_per_s"], c["down_bits_per_s"]) for c in report["capacity"])
        self.assertLess(best, 1.5 * 200e6)  # a repaired loss delivers at once what waited
        self.assertGreater(best, 50e6)
        self.assertRegex(report["wan"], r'rate_limit = "\d+mbit"')
        self.assertEqual([c["streams"] for c in report["capacity"]], [1, 4])

    def test_small_buffer_is_found_and_the_remedy_helps(self):
        usual = "4096 16384 4194304"
        for site in "ab":
            subprocess.run(inside(site, "sysctl", "-qw", "net.ipv4.tcp_wmem=4096 16384 131072"), check=True)
        try:
            before = self.report()
            found = [f for f in before["findings"] if "tcp_wmem" in f["problem"]]
            self.assertEqual(len(found), 2, before["findings"])
            for site in "ab":
                subprocess.run(inside(site, "sh", "-c", found[0]["command"]), check=True, stdout=subprocess.DEVNULL)
            after = self.report()
            self.assertFalse([f for f in after["findings"] if "tcp_wmem" in f["problem"]], after["findings"])
            one = [r["capacity"][0]["up_bits_per_s"] for r in (before, after)]
            self.assertGreater(one[1], 2 * one[0])
        finally:
            for site in "ab":
                subprocess.run(inside(site, "sysctl", "-qw", f"net.ipv4.tcp_wmem={usual}"), check=True)

    def test_nobody_there(self):
        result = subprocess.run([LONGHAUL, "doctor", "--to", "127.0.0.1:1"], capture_output=True, text=True, timeout=30)
        self.assertEqual(result.returncode, 1)
        self.assertIn("doctor --listen", result.stderr)

    def test_strangers_do_not_end_the_listener(self):
        script = ("import socket,os;\nfor n in (0, 3, 16, 5000):\n s = socket.create_connection(('%s', 47000)); s.sendall(os.urandom(n)); s.close()"
                  % self.address["b"])
        subprocess.run(inside("a", sys.executable, "-c", script), check=True, timeout=30)
        self.assertIsNone(self.listener.poll())


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("needs root: network namespaces")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0]])
