#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""longhaul emulate end to end: real namespaces, real sockets. Usage: emulate_test.py LONGHAUL. Exit status 77: this machine
does not allow network namespaces or TUN devices, nothing was tested."""
import json
import os
import subprocess
import sys
import time
import unittest

LONGHAUL = sys.argv.pop(1)
NAME = f"test{os.getpid()}"

ECHO = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", 5000))
while True:
    data, sender = s.recvfrom(2000); s.sendto(data, sender)
"""
# Prints one round-trip time in ms a line, "lost" where nothing came back.
PING = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.5)
for i in range(int(sys.argv[2])):
    t = time.monotonic(); s.sendto(b"x" * 100, (sys.argv[1], 5000))
    try: s.recv(2000); print((time.monotonic() - t) * 1e3)
    except TimeoutError: print("lost")
"""
# Sends sys.argv[2] bytes over TCP; the receiver prints a digest of what came.
SINK = """
import hashlib, socket
l = socket.create_server(("0.0.0.0", 5001)); c, _ = l.accept(); h = hashlib.sha256()
while data := c.recv(1 << 20): h.update(data)
print(h.hexdigest())
"""
SOURCE = """
import hashlib, random, socket, sys
data = random.Random(1).randbytes(int(sys.argv[2])); c = socket.create_connection((sys.argv[1], 5001)); c.sendall(data); c.close()
print(hashlib.sha256(data).hexdigest())
"""


def emulate(*arguments, ok=True):
    done = subprocess.run([LONGHAUL, "emulate", *arguments], capture_output=True, text=True, timeout=60)
    if ok and done.returncode != 0:
        raise AssertionError(f"{arguments}: {done.stderr}")
    return done


def python(site, code, *arguments):
    return [LONGHAUL, "emulate", "exec", "--name", NAME, site, "--", sys.executable, "-c", code, *map(str, arguments)]


class Emulate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        up = emulate("up", "--name", NAME, "--sites", "north,south", "--rtt", "20ms", "--rate", "200mbit", ok=False)
        if up.returncode != 0:
            print(f"skipped: {up.stderr.strip()}")
            os._exit(77)
        cls.state = json.loads(emulate("show", "--name", NAME, "--json").stdout)
        cls.address = {site["name"]: site["address"] for site in cls.state["sites"]}
        cls.echo = subprocess.Popen(python("south", ECHO))
        deadline = time.monotonic() + 10
        while "lost" in cls.ping(1) and time.monotonic() < deadline:
            pass

    @classmethod
    def tearDownClass(cls):
        cls.echo.kill()
        cls.echo.wait()
        emulate("down", "--name", NAME)
        assert emulate("show", "--name", NAME, ok=False).returncode == 1

    @classmethod
    def ping(cls, count):
        return subprocess.run(python("north", PING, cls.address["south"], count), capture_output=True, text=True, timeout=60,
                              check=True).stdout.split()

    def counters(self, source):
        links = json.loads(emulate("show", "--name", NAME, "--json").stdout)["links"]
        return next(link["counters"] for link in links if link["from"] == source)

    def set(self, *arguments):
        emulate("set", "--name", NAME, *arguments)

    def test_delay(self):
        times = [float(t) for t in self.ping(20) if t != "lost"]
        self.assertGreaterEqual(min(times), 20)
        self.assertLess(min(times), 60)

    def test_link_down_and_up(self):
        self.set("--from", "north", "--link", "down")
        self.assertEqual(self.ping(1), ["lost"])
        self.set("--link", "up")
        self.assertNotIn("lost", self.ping(1))
        self.assertGreater(self.counters("north")["outage_drops"], 0)

    def test_loss_is_counted(self):
        before = self.counters("south")["lost"]
        self.set("--from", "south", "--loss", "1")
        self.assertEqual(self.ping(1), ["lost"])
        self.set("--loss", "0")
        self.assertGreater(self.counters("south")["lost"], before)

    def test_lossy_tcp_arrives_intact(self):
        """Super-packets are cut at lost segments; what TCP delivers must still be what was sent."""
        self.set("--loss", "0.01", "--rtt", "2ms")
        sink = subprocess.Popen(python("south", SINK), stdout=subprocess.PIPE, text=True)
        time.sleep(0.5)
        sent = subprocess.run(python("north", SOURCE, self.address["south"], 8 << 20), capture_output=True, text=True, timeout=60)
        received, _ = sink.communicate(timeout=60)
        self.set("--loss", "0", "--rtt", "20ms")
        self.assertEqual(sent.returncode, 0, sent.stderr)
        self.assertEqual(sent.stdout, received)
        self.assertGreater(self.counters("north")["lost"], 0)

    def test_exec_passes_the_exit_status(self):
        self.assertEqual(emulate("exec", "--name", NAME, "north", "--", "sh", "-c", "exit 7", ok=False).returncode, 7)
        self.assertEqual(emulate("exec", "--name", NAME, "north", "--", "/no/such/program", ok=False).returncode, 127)

    def test_show(self):
        text = emulate("show", "--name", NAME, "--once").stdout
        self.assertIn("north -> south", text)
        self.assertIn("emulator", text)

    def test_errors_say_what_to_do(self):
        for arguments, words in [(("up", "--name", NAME), "running already"), (("up", "--name", "a b"), "no name"),
                                 (("up", "--name", NAME + "x", "--sites", "1"), "2"), (("up", "--name", NAME + "x", "--sites", "a,a"), "different names"),
                                 (("exec", "--name", NAME, "east", "--", "true"), "north south"), (("set", "--name", NAME), "nothing to change"),
                                 (("set", "--name", NAME, "--from", "east", "--loss", "0"), "no link from east"),
                                 (("set", "--name", NAME, "--rate", "1GB"), "rate"), (("show", "--name", "nobody"), "emulate up")]:
            done = emulate(*arguments, ok=False)
            self.assertEqual(done.returncode, 1, arguments)
            self.assertIn(words, done.stderr, arguments)


if __name__ == "__main__":
    unittest.main()
