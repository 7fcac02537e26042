#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What does a call from Python cost more than the same call from C?

One rank alone, so that nothing is exchanged. Compared are Communicator.all_reduce and the bare C function with arguments prepared
before, called in turns; what ctypes itself takes for the bare call is measured with a function that only reads a number. The overhead
is the difference plus that. Medians, in microseconds, in the calling thread.
"""
import argparse
import array
import ctypes
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import longhaul
from longhaul import _library


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=3000, help="calls of each kind (default 3000)")
    parser.add_argument("--elements", type=int, default=1, help="fp32 elements (default 1)")
    options = parser.parse_args(arguments)
    if options.n < 1 or options.elements < 0:
        parser.error("-n must be at least 1 and --elements at least 0")
    return options


def buffers(elements):
    """(name, memory) of every kind of object that is installed here."""
    yield "array.array", array.array("f", bytes(4 * elements))
    try:
        import numpy
        yield "numpy", numpy.zeros(elements, "f")
    except ImportError:
        pass
    try:
        import torch
        yield "torch", torch.zeros(elements)
    except ImportError:
        pass


def median_us(calls, count):
    """{name: median of `count` calls}, called in turns so that the machine's moods meet all of them."""
    times = {name: [] for name in calls}
    for step in range(count + count // 10):
        for name, call in calls.items():
            start = time.perf_counter_ns()
            call()
            end = time.perf_counter_ns()
            if step >= count // 10:
                times[name].append((end - start) / 1000)
    return {name: statistics.median(all_of_it) for name, all_of_it in times.items()}


def main(arguments):
    options = parse(arguments)
    library = _library.load()
    print(f"{'buffer':12} {'options':8} {'from Python':>12} {'bare C call':>12} {'ctypes':>8} {'overhead':>9}   us")
    with longhaul.loopback([1]) as ranks:
        comm, number = ranks[0], ctypes.c_int()
        for name, memory in buffers(options.elements):
            place = longhaul._buffers.view(memory, "memory").pointer
            handle, out = comm._handle.comm, ctypes.byref(number)
            calls = {
                "none": lambda: comm.all_reduce(memory),
                "all": lambda: comm.all_reduce(memory, op="avg", codec="none", scope="global", tag=7, timeout=30),
                "bare": lambda: library.lhAllReduceEx(place, place, options.elements, 7, 0, None, handle, None, None),
                "ctypes": lambda: library.lhCommCount(handle, out),
            }
            took = median_us(calls, options.n)
            for kind in ("none", "all"):
                overhead = took[kind] - took["bare"] + took["ctypes"]
                print(f"{name:12} {kind:8} {took[kind]:12.1f} {took['bare']:12.1f} {took['ctypes']:8.1f} {overhead:9.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
