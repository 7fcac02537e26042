#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""longhaul doctor over emulated links: what it measures, what it finds wrong, that its remedy helps as it predicts, and whom it refuses.

  doctor_test.py LONGHAUL
"""
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

LONGHAUL = sys.argv[1]
NAME = f"doctor{os.getpid()}"
SITES = ("a", "b", "c")
FAST = ("--seconds", "0.2", "--streams", "2")
SECRET = "0123456789abcdef0123456789abcdef"


def emulate(*arguments, **options):
    return subprocess.run([LONGHAUL, "emulate", arguments[0], "--name", NAME, *arguments[1:]], check=True, capture_output=True, text=True, **options)


def inside(site, *command):
    return [LONGHAUL, "emulate", "exec", "--name", NAME, site, "--", *command]


def run(site, *command, **options):
    return subprocess.run(inside(site, *command), check=True, timeout=60, **options)


def setUpModule():
    emulate("up", "--sites", ",".join(SITES), "--rtt", "20ms", "--rate", "200mbit")
    unittest.addModuleCleanup(emulate, "down")
    global ADDRESS
    ADDRESS = {s["name"]: s["address"] for s in json.loads(emulate("show", "--json").stdout)["sites"]}


@contextlib.contextmanager
def dropped(site, ports):
    """A firewall before that site that lets nothing in to these ports: its answers never leave."""
    rule = ("pref", "9", "from", ADDRESS[site], "ipproto", "tcp", "sport", ports, "blackhole")
    run(site, "ip", "rule", "add", *rule)
    try:
        yield
    finally:
        run(site, "ip", "rule", "del", *rule)


@contextlib.contextmanager
def process(site, *command):
    """Runs beside the test; its first line has been read."""
    with subprocess.Popen(inside(site, *command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        try:
            assert running.stdout.readline()
            yield running
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(timeout=10)


class ByHand(unittest.TestCase):
    """--listen and --to."""

    @classmethod
    def setUpClass(cls):
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.listener = stack.enter_context(process("b", LONGHAUL, "doctor", "--listen"))

    def report(self, streams="1,4"):
        command = inside("a", LONGHAUL, "doctor", "--to", ADDRESS["b"], "--seconds", "0.6", "--streams", streams, "--json")
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)

    def test_distance_and_rate(self):
        report = self.report()
        link, = report["links"]
        self.assertGreaterEqual(link["rtt_ms"]["least"], 20)
        self.assertLess(link["rtt_ms"]["least"], 60)
        self.assertEqual(link["mtu"], 1500)
        best = max(min(c["up_bits_per_s"], c["down_bits_per_s"]) for c in link["capacity"])
        self.assertLess(best, 1.2 * 200e6)
        self.assertGreater(best, 50e6)
        self.assertRegex(report["wan"], r'rate_limit = "\d+mbit"')
        self.assertEqual([c["streams"] for c in link["capacity"]], [1, 4])
        for direction in ("up", "down"):
            self.assertGreater(link["loss"][direction]["segments"], 100)
            self.assertGreaterEqual(link["jitter"][direction]["most_ms"], link["jitter"][direction]["median_ms"])
        self.assertIn("The link carries", report["verdict"])

    def test_small_buffer_is_found_and_the_remedy_helps(self):
        usual = "4096 16384 4194304"
        for site in "ab":
            run(site, "sysctl", "-qw", "net.ipv4.tcp_wmem=4096 16384 131072")
        try:
            before = self.report()
            found = [f for f in before["findings"] if "tcp_wmem" in f["problem"]]
            self.assertEqual([f["where"] for f in found], ["here", "there"], before["findings"])
            for site in "ab":
                run(site, "sh", "-c", found[0]["command"], stdout=subprocess.DEVNULL)
            after = self.report()
            self.assertFalse([f for f in after["findings"] if "tcp_wmem" in f["problem"]], after["findings"])
            one = [r["links"][0]["capacity"][0]["up_bits_per_s"] for r in (before, after)]
            self.assertGreater(one[1], 2 * one[0])
        finally:
            for site in "ab":
                run(site, "sysctl", "-qw", f"net.ipv4.tcp_wmem={usual}")

    def test_losses_are_told_by_direction(self):
        emulate("set", "--from", "b", "--to", "a", "--loss", "0.02")
        try:
            report = self.report(streams="4")
        finally:
            emulate("set", "--loss", "0")
        loss = report["links"][0]["loss"]
        self.assertGreater(loss["down"]["lost"], 10 * loss["up"]["lost"], loss)  # a lost acknowledgement may cost a segment in vain
        self.assertTrue([f for f in report["findings"] if f["problem"].startswith("there -> here loses")], report["findings"])

    def test_nobody_there(self):
        result = subprocess.run([LONGHAUL, "doctor", "--to", "127.0.0.1:1"], capture_output=True, text=True, timeout=30)
        self.assertEqual(result.returncode, 1)
        self.assertIn("doctor --listen", result.stderr)

    def test_strangers_do_not_end_the_listener(self):
        throw_garbage("a", "b")
        self.assertIsNone(self.listener.poll())
        self.assertEqual(len(self.report(streams="1")["links"]), 1)


def throw_garbage(source, target):
    script = ("import socket,os;\nfor n in (0, 3, 16, 5000):\n s = socket.create_connection(('%s', 47000)); s.sendall(os.urandom(n)); s.close()"
              % ADDRESS[target])
    run(source, sys.executable, "-c", script)


class Configured(unittest.TestCase):
    """The same command at every site of a configuration."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="longhaul-doctor-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.running = {}
        self.addCleanup(lambda: [(p.kill(), p.communicate()) for p in self.running.values() if p.returncode is None])

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        return path

    def job(self, sites=SITES, secret=SECRET, name="job.toml", wan='ports = "47001-47063"'):
        self.write("secret-" + name, secret)
        known = f'secret_file = "secret-{name}"\n' if secret else ""
        tables = "".join(f'[[site]]\nname = "{site}"\naddress = "{ADDRESS[site]}:47000"\n' for site in sites)
        return self.write(name, f'{known}[wan]\n{wan}\n{tables}')

    def start(self, site, config, *arguments, json_too=True):
        command = inside(site, LONGHAUL, "doctor", "--config", config, "--site", site, *FAST, *(("--json",) if json_too else ()), *arguments)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("LONGHAUL_")}
        self.running[site] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    def end(self, site):
        """(status, stdout, stderr)"""
        out, err = self.running[site].communicate(timeout=120)
        return self.running[site].returncode, out, err

    def report(self, config, sites, status=0):
        for site in reversed(sites):
            self.start(site, config)
        ends = {site: self.end(site) for site in sites}
        for site, (code, out, err) in ends.items():
            self.assertEqual(code, status, (site, err))
            self.assertEqual(out, ends[sites[0]][1], "every site prints the same report")
        return json.loads(ends[sites[0]][1])

    def test_three_sites(self):
        config = self.job()
        self.start("c", config)
        self.start("b", config)
        while "waiting for a" not in self.running["b"].stderr.readline():
            pass
        throw_garbage("c", "b")
        throw_garbage("b", "c")
        self.start("a", config)
        ends = {site: self.end(site) for site in SITES}
        self.assertEqual({code for code, _, _ in ends.values()}, {0}, ends)
        self.assertEqual(len({out for _, out, _ in ends.values()}), 1)
        report = json.loads(ends["a"][1])
        self.assertEqual([(k["from"], k["to"]) for k in report["links"]], [("a", "b"), ("a", "c"), ("b", "c")])
        self.assertIn("3 links carry", report["verdict"])
        for link in report["links"]:
            self.assertGreaterEqual(link["rtt_ms"]["least"], 20)
            for ports in link["ports"].values():
                self.assertEqual(ports["address"], "open")
                self.assertEqual(ports["data"]["open"], list(range(47001, 47064)))
        # A job may start at once: no port of the range is kept by what is left of a connection.
        run("b", sys.executable, "-c", "import socket\nfor p in range(47001, 47064): socket.socket().bind(('0.0.0.0', p))")
        self.assertIn("b - c (3 of 3): ports", ends["a"][2])
        self.assertIn("b - c (3 of 3): ports", ends["b"][2])

    def test_ports_that_a_firewall_drops(self):
        with dropped("b", "47021-47063"):
            report = self.report(self.job(("a", "b")), ("a", "b"))
        ports = report["links"][0]["ports"]
        self.assertEqual(ports["of_to"]["data"]["open"], list(range(47001, 47021)))
        self.assertEqual(ports["of_to"]["data"]["no answer"], list(range(47021, 47064)))
        self.assertEqual(ports["of_from"]["data"]["no answer"], [])
        found, = [f for f in report["findings"] if f["wrong"] and "47021-47063: no answer" in f["problem"]]
        self.assertEqual(found["where"], "b")
        self.assertIn("--dport 47021:47063", found["command"])
        self.assertIn('ports = "47001-47020"', found["command"])

    def test_ports_of_other_programs(self):
        """Bound, and nobody listens: refused to others, and not to be had by doctor."""
        script = "import socket,time\ns = socket.socket(); s.bind(('0.0.0.0', 47102)); print('bound', flush=True)\ntime.sleep(60)"
        with process("b", sys.executable, "-c", script):
            report = self.report(self.job(("a", "b"), wan='ports = "47101-47103"'), ("a", "b"))
        self.assertEqual(report["sites"][1]["taken"], [47102])
        self.assertEqual(report["links"][0]["ports"]["of_to"]["data"]["open"], [47101, 47103])
        self.assertTrue([f for f in report["findings"] if "other programs of b use 47102" in f["problem"]], report["findings"])

    def test_the_first_site_lets_nobody_in(self):
        """The others cannot dial it, but it dials them: the report is there and says so."""
        with dropped("a", "47000"):
            report = self.report(self.job(("a", "b")), ("a", "b"))
        link, = report["links"]
        self.assertEqual(link["ports"]["of_from"]["address"], "no answer")
        self.assertGreaterEqual(link["rtt_ms"]["least"], 20)
        found, = [f for f in report["findings"] if f["wrong"] and "does not reach" in f["problem"]]
        self.assertEqual((found["where"], found["command"].split(" -j")[0]), ("a", "iptables -I INPUT -p tcp --dport 47000"))

    def test_a_later_site_lets_nobody_in(self):
        """It measures itself then."""
        with dropped("b", "47000"):
            report = self.report(self.job(("a", "b")), ("a", "b"))
        self.assertEqual([(k["from"], k["to"]) for k in report["links"]], [("b", "a")])
        self.assertFalse([f for f in report["findings"] if f["wrong"] and "does not reach" in f["problem"]])

    def test_no_way_between_two_sites(self):
        emulate("set", "--from", "b", "--to", "c", "--link", "down")
        try:
            report = self.report(self.job(), SITES, status=1)
        finally:
            emulate("set", "--link", "up")
        self.assertEqual([("error" in k) for k in report["links"]], [False, False, True])
        self.assertIn("1 could not be measured", report["verdict"])

    def test_ranks_that_tell_the_wrong_host(self):
        report = self.report(self.job(("a", "b"), wan='advertise = "10.77.99.1"\nports = "47001-47003"'), ("a", "b"))
        found = [f for f in report["findings"] if f"advertise = \"{ADDRESS['b']}\"" in f["command"]]
        self.assertEqual([f["where"] for f in found], ["b"], report["findings"])

    def test_configurations_that_differ(self):
        self.start("b", self.job(("a", "b"), name="other.toml", secret=SECRET, wan='codec = "i8"'))
        self.start("a", self.job(("a", "b"), wan='codec = "bf16"'))
        status, out, err = self.end("a")
        self.assertEqual(status, 0, err)
        self.assertIn("wan.codec: bf16 at a, i8 at b", json.loads(out)["findings"][0]["problem"])
        self.assertEqual(self.end("b")[1], out)

    def test_another_secret(self):
        self.start("b", self.job(("a", "b"), name="other.toml", secret=SECRET[::-1]), "--wait", "10")
        self.start("a", self.job(("a", "b")), "--wait", "10")
        for site in ("a", "b"):
            status, out, err = self.end(site)
            self.assertEqual((status, out), (1, ""))
            self.assertIn("secret differs", err)

    def test_without_the_secret_nothing_is_measured(self):
        self.start("b", self.job(("a", "b")), "--wait", "30")
        while "waiting for a" not in self.running["b"].stderr.readline():
            pass
        result = subprocess.run(inside("a", LONGHAUL, "doctor", "--to", ADDRESS["b"]), capture_output=True, text=True, timeout=30)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("differs", result.stderr)

    def test_a_job_without_a_secret(self):
        """Only where the job itself may do without; it is said who can measure then. No range of ports: a few of any are tried."""
        refused = subprocess.run(inside("a", LONGHAUL, "doctor", "--config", self.job(("a", "b"), secret=""), "--site", "a"), capture_output=True,
                                 text=True, timeout=30)
        self.assertIn("no job secret", refused.stderr)
        config = self.job(("a", "b"), secret="", wan='encryption = "off"')
        for site in ("b", "a"):
            self.start(site, config)
        status, out, err = self.end("a")
        self.assertEqual(status, 0, err)
        self.assertIn("whoever reaches port 47000", err)
        self.assertEqual(len(json.loads(out)["links"][0]["ports"]["of_to"]["data"]["open"]), 4)
        self.assertEqual(self.end("b")[1], out)

    def test_somebody_does_not_come(self):
        config = self.job()
        for site in ("a", "b"):
            self.start(site, config, "--wait", "3")
        for site in ("a", "b"):
            status, out, err = self.end(site)
            self.assertEqual((status, out), (1, ""))
            self.assertIn(f"c ({ADDRESS['c']}:47000) has not come within 3 s", err)
            self.assertIn("--site c", err)

    def test_the_first_site_does_not_come(self):
        self.start("b", self.job(("a", "b")), "--wait", "2")
        status, _, err = self.end("b")
        self.assertEqual(status, 1)
        self.assertIn(f"a ({ADDRESS['a']}:47000) has not come within 2 s", err)

    def test_a_member_is_killed(self):
        config = self.job(("a", "b"))
        self.start("b", config)
        self.start("a", config)
        while "distance" not in self.running["a"].stderr.readline():
            pass
        time.sleep(0.5)
        self.running["b"].send_signal(signal.SIGKILL)
        status, out, err = self.end("a")
        self.assertEqual(status, 1, err)
        self.assertIn("could not be measured", json.loads(out)["verdict"])

    def test_text(self):
        config = self.job(("a", "b"))
        for site in ("a", "b"):
            self.start(site, config, json_too=False)
        status, out, err = self.end("a")
        self.assertEqual(status, 0, err)
        self.assertRegex(out.splitlines()[0], r"^The link carries \d+ Mbit/s at \d\d\.\d ms; .* wrong.*\.$")
        for words in ("a - b", "ports", "47001-47063 reachable", "round trip", "jitter", "loss", "streams", "[wan]", "rate_limit"):
            self.assertIn(words, out)
        self.assertEqual(self.end("b")[1], out)

    def test_what_cannot_be_asked(self):
        two, one = self.job(("a", "b")), self.job(("a",), name="one.toml")
        for arguments, words in [((), "--config"), (("--to", "b", "--site", "a"), "excludes"), (("--config", "/no/such.toml"), "/no/such.toml"),
                                 (("--config", two), "site"), (("--config", two, "--site", "x"), "none of the sites"),
                                 (("--config", one, "--site", "a"), "one site only")]:
            result = subprocess.run([LONGHAUL, "doctor", *arguments], capture_output=True, text=True, timeout=30)
            self.assertNotEqual(result.returncode, 0, arguments)
            self.assertIn(words, result.stderr, arguments)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("needs root: network namespaces")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
