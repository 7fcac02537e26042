# SPDX-License-Identifier: Apache-2.0
"""Jobs of real processes on 127.0.0.1 for process_test.py: starting ranks, reading what they say, finding their ports.

Every process has a hard timeout; only processes started here are signalled.
"""
import glob
import os
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

HARD_TIMEOUT = 50


class Failed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


def free_port():
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Worker:
    """One rank. Its lines arrive in `lines` as (time, text)."""

    def __init__(self, name, command, environment):
        self.name = name
        self.lines = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append((time.monotonic(), line.rstrip("\n")))
                self.changed.notify_all()

    def wait_line(self, start, limit=HARD_TIMEOUT):
        """The first line that starts so: (time, rest)."""
        end = time.monotonic() + limit
        with self.changed:
            while True:
                for when, line in self.lines:
                    if line.startswith(start):
                        return when, line[len(start):].strip()
                left = end - time.monotonic()
                check(left > 0, f"{self.name} did not say '{start}' within {limit:g} s")
                self.changed.wait(min(left, 0.5))

    def end(self, limit=HARD_TIMEOUT):
        """How the job ended for this rank: (time, code, text)."""
        when, rest = self.wait_line("end ", limit)
        code, _, text = rest.partition(" ")
        return when, int(code), text

    def wait_exit(self, limit=HARD_TIMEOUT):
        try:
            status = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} is still there after {limit:g} s") from None
        check(status == 0, f"{self.name} exited with {status}")

    def signal(self, number):
        self.process.send_signal(number)


class Job:
    """Processes of one run; two sites of two ranks unless said otherwise."""

    program = ""  # of every rank

    def __init__(self, sizes=(2, 2), wan="", **common):
        self.directory = tempfile.TemporaryDirectory(prefix="longhaul-test-")
        self.sizes = sizes
        self.secret("job.secret", "0123456789abcdef0123456789abcdef")
        self.names = ["madison", "atlanta", "utrecht"][:len(sizes)]
        self.common = {key: value for key, value in os.environ.items() if not key.startswith(
            ("LONGHAUL_", "OMPI_", "PMI", "SLURM_", "UCX_")) and key not in ("RANK", "WORLD_SIZE")
            or key.startswith("UCX_MEM_")}  # how a sanitizer run keeps UCX's hands off malloc
        self.common.update(
            LONGHAUL_SITES=",".join(f"{name}=127.0.0.1:{free_port()}" for name in self.names),
            LONGHAUL_SECRET_FILE=self.path("job.secret"), LONGHAUL_WAN=wan, LONGHAUL_RUN_ID="process-test")
        self.common.update(common)
        self.workers = []

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def secret(self, name, text):
        with open(os.open(self.path(name), os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(text)
        return self.path(name)

    def start(self, site, rank, arguments=("run", "0"), **changes):
        environment = dict(self.common)
        environment.update(LONGHAUL_SITE=self.names[site], LONGHAUL_SITE_RANK=str(rank),
                           LONGHAUL_SITE_SIZE=str(self.sizes[site]))
        environment.update(changes)
        worker = Worker(f"rank {rank} of site {self.names[site]}", [Job.program, *arguments], environment)
        self.workers.append(worker)
        return worker

    def start_all(self, arguments=("run", "0")):
        return [self.start(site, rank, arguments) for site, size in enumerate(self.sizes) for rank in range(size)]

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.signal(signal.SIGKILL)
            worker.process.wait(10)
            worker.reader.join(10)
        if kind is not None:
            for worker in self.workers:
                print(f"--- {worker.name} (exit {worker.process.returncode})")
                rounds = [line for _, line in worker.lines if line.startswith("round ")]
                print("\n".join(line for _, line in worker.lines if not line.startswith("round ") or line == rounds[-1]))
        self.directory.cleanup()


def listening_places(pid):
    """(host, port) of every TCP socket on which the process listens."""
    inodes = set()
    for link in glob.glob(f"/proc/{pid}/fd/*"):
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    places = set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}") as file:
            for line in file.readlines()[1:]:
                fields = line.split()
                if fields[3] != "0A" or fields[9] not in inodes:
                    continue
                host, _, port = fields[1].rpartition(":")
                address = socket.inet_ntoa(struct.pack("=I", int(host[-8:], 16)))
                places.add(("127.0.0.1" if address == "0.0.0.0" else address, int(port, 16)))
    return places


def throw(place, data, patience):
    """True where something listened; whether it then resets the connection is its own affair."""
    try:
        connection = socket.create_connection(place, 2)
    except OSError:
        return False
    with connection:
        connection.settimeout(patience)
        try:
            connection.sendall(data)
            connection.recv(1000)
        except OSError:
            pass
    return True
