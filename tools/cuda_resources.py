#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Registers, shared memory and spills of the CUDA kernels, as ptxas said when they were compiled.

  tools/cuda_resources.py report build/cuda     a table; exit status 1 if a kernel spills or there is none
  tools/cuda_resources.py compile COMMAND...    runs a compiler with -Xptxas=-v and keeps what ptxas says beside the object
                                                (as OBJECT.resources); the build does this

Both need c++filt (binutils)."""
import argparse
import re
import subprocess
import sys
from pathlib import Path

ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(\w+)'")
FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
REGISTERS = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")


def compile_and_keep(command):
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    lines = done.stderr.splitlines(keepends=True)
    said = [line for line in lines if line.startswith("ptxas info") or FRAME.search(line)]
    sys.stderr.write("".join(line for line in lines if line not in said))
    if "-o" in command[:-1]:
        Path(command[command.index("-o") + 1] + ".resources").write_text("".join(said), encoding="utf-8")
    return done.returncode


def parsed(text):
    """[{name, arch, frame, stores, loads, registers, shared}] of what ptxas said."""
    kernels = []
    for line in text.splitlines():
        if entry := ENTRY.search(line):
            kernels.append({"name": entry[1], "arch": entry[2], "frame": 0, "stores": 0, "loads": 0, "registers": 0, "shared": 0})
        elif not kernels:
            continue
        elif frame := FRAME.search(line):
            kernels[-1].update(frame=int(frame[1]), stores=int(frame[2]), loads=int(frame[3]))
        elif registers := REGISTERS.search(line):
            shared = SHARED.search(line)
            kernels[-1].update(registers=int(registers[1]), shared=int(shared[1]) if shared else 0)
    return kernels


def plain_names(kernels):
    names = subprocess.run(["c++filt"], input="\n".join(k["name"] for k in kernels), capture_output=True, text=True, check=True).stdout.splitlines()
    for kernel, name in zip(kernels, names):
        name = re.sub(r"longhaul::kernels::|gpu::|\(anonymous namespace\)::|^void ", "", name)
        kernel["plain"] = re.sub(r"\(\w*\)$", "", name).replace(", true", ", feedback").replace(", false", "")


def report(build):
    files = sorted(build.rglob("*.fatbin.resources"))
    kernels = [kernel for file in files for kernel in parsed(file.read_text(encoding="utf-8"))]
    if not kernels:
        sys.exit(f"cuda_resources: nothing was compiled by nvcc under {build}: cmake --preset cuda && cmake --build --preset cuda")
    plain_names(kernels)
    kernels.sort(key=lambda kernel: (kernel["plain"], len(kernel["arch"]), kernel["arch"]))
    print(f"{'kernel':<66} {'arch':>7} {'registers':>9} {'shared B':>8} {'stack B':>7} {'spilled B':>9}")
    for kernel in kernels:
        spilled = kernel["stores"] + kernel["loads"]
        print(f"{kernel['plain']:<66} {kernel['arch']:>7} {kernel['registers']:>9} {kernel['shared']:>8} {kernel['frame']:>7} {spilled:>9}")
    spilling = [kernel for kernel in kernels if kernel["stores"] + kernel["loads"] > 0]
    print(f"{len(kernels)} kernels, {len(spilling)} of them spill")
    return 1 if spilling else 0


def main(arguments):
    if arguments[:1] == ["compile"] and len(arguments) > 1:
        return compile_and_keep(arguments[1:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", choices=["report"])
    parser.add_argument("build", type=Path)
    return report(parser.parse_args(arguments).build)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
