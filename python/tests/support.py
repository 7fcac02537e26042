# SPDX-License-Identifier: Apache-2.0
"""What the tests share: the package of this folder, ranks in threads, a watchdog."""
import faulthandler
import os
import socket
import sys
import threading
from pathlib import Path

sys.dont_write_bytecode = True
PACKAGE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PACKAGE))
GPU_DOUBLE = os.environ.get("LONGHAUL_GPU_DOUBLE", "")
for name in [name for name in os.environ if name.startswith("LONGHAUL_") and name != "LONGHAUL_LIBRARY"]:
    del os.environ[name]
faulthandler.dump_traceback_later(280, exit=True)  # a hang is a red test


def in_threads(function, *rank_arguments):
    """function(*arguments) of every rank, each in its thread. Returns the results in rank order; an exception is a result."""
    results = [None] * len(rank_arguments)

    def run(rank):
        try:
            results[rank] = function(*rank_arguments[rank])
        except Exception as error:
            results[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(len(rank_arguments))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def on_all(communicators, function):
    """function(rank, communicator) on every rank; raises the first exception."""
    results = in_threads(function, *enumerate(communicators))
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
