#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two sites over an emulated link, Longhaul beside plain sockets in the same run. Needs root (network namespaces).

  benchmarks/wan_bench.py [--rtt 15ms] [--rate 1gbit] [--loss 0] [--ranks 2] [--sizes 8,4K,64M] [--codecs none,bf16,i8]

Prints one line a size and codec: median and p99 of the mean time over the ranks, L (the physical limit), what part of it was
reached, what plain sockets need for the same bytes, and how late the emulator itself was.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SITES = ("site0", "site1")
CODEC_BITS = {"none": 32, "bf16": 16, "i8": 8.125}


class Emulator:
    """An emulator of its own name, up while the `with` block runs."""

    def __init__(self, build, rtt, rate, loss):
        self.longhaul, self.name = str(build / "bin/longhaul"), f"bench{os.getpid()}"
        self.settings = ["--rtt", rtt, "--rate", rate, "--loss", loss]

    def command(self, *arguments):
        return [self.longhaul, "emulate", arguments[0], "--name", self.name, *arguments[1:]]

    def __enter__(self):
        subprocess.run(self.command("up", "--sites", ",".join(SITES), *self.settings), check=True, stdout=subprocess.DEVNULL)
        self.address = {site["name"]: site["address"] for site in self.state()["sites"]}
        return self

    def __exit__(self, *_):
        subprocess.run(self.command("down"), check=True, stdout=subprocess.DEVNULL)

    def state(self):
        return json.loads(subprocess.run(self.command("show", "--json"), check=True, capture_output=True, text=True).stdout)

    def lateness(self, before):
        """Share of the deliveries since `before` that the emulator made over a millisecond late."""
        links = list(zip(self.state()["links"], before["links"]))
        total = {key: sum(a["counters"][key] - b["counters"][key] for a, b in links) for key in ("takes", "late_takes")}
        return total["late_takes"] / max(1, total["takes"])

    def run_at_both(self, command, environment=None):
        """Runs command(site) at both sites at once; returns the standard output of site0's."""
        jobs = []
        for site in reversed(SITES):
            env = {**os.environ, **(environment(site) if environment else {})}
            jobs.append(subprocess.Popen(self.command("exec", site, "--", *command(site)), env=env, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True))
        outputs = [job.communicate(timeout=1200) for job in jobs]
        for job, (out, err) in zip(jobs, outputs):
            if job.returncode != 0:
                sys.exit(f"{' '.join(job.args)} failed:\n{out}{err}")
        return outputs[-1][0]


def longhaul(emulator, options, size, codec):
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "job.toml"
        sites = "".join(f'[[site]]\nname = "{s}"\naddress = "{emulator.address[s]}:47000"\n' for s in SITES)
        config.write_text('run_id = "bench"\n[wan]\nencryption = "off"\n' + sites)
        result = Path(folder) / "result.json"
        small = size < 1 << 20
        # Each site is a network of its own, so each mpirun sees its own machine only.
        command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(options.ranks), "-x", "LONGHAUL_CONFIG",
                   "-x", "LONGHAUL_SITE", str(options.build / "bin/all_reduce_perf"), "-b", str(size), "-e", str(size), "--codec", codec,
                   "-n", str(options.iterations * (20 if small else 1)), "-w", "20" if small else "3", "-c", str(options.check),
                   "--link-rtt", options.rtt, "--link-rate", options.rate, "--wan", options.wan]
        emulator.run_at_both(lambda site: command + (["-J", str(result)] if site == SITES[0] else []),
                             lambda site: {"LONGHAUL_CONFIG": str(config), "LONGHAUL_SITE": site})
        return json.loads(result.read_text())["results"][0]


def sockets(emulator, options, size, codec):
    """Milliseconds; the two ends of one process pair, with as many connections as --connections says."""
    payload = max(8, int(size * CODEC_BITS[codec] / 32))
    program = [str(options.build / "bin/socket_exchange"), "--bytes", str(payload), "--connections", str(options.connections),
               "--iterations", str(options.iterations), "--warmup", "3"]
    out = emulator.run_at_both(lambda site: program + ([emulator.address[SITES[1]]] if site == SITES[0] else []))
    return json.loads(out)["median_ms"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rtt", "15ms"), ("rate", "1gbit"), ("loss", "0"), ("sizes", "8,4K,64M"), ("codecs", "none,bf16,i8"), ("wan", "")):
        parser.add_argument(f"--{name}", default=default)
    for name, default in (("ranks", 2), ("iterations", 10), ("connections", 8), ("check", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    parser.add_argument("--json", type=Path, help="also write everything here")
    options = parser.parse_args()
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    sizes = [int(s[:-1]) * units[s[-1]] if s[-1] in units else int(s) for s in options.sizes.split(",")]
    rows = []
    print(f"2 sites x {options.ranks} ranks, rtt {options.rtt}, rate {options.rate}, loss {options.loss}; sockets: {options.connections} connections")
    print(f"{'bytes':>10} {'codec':>6} {'median ms':>10} {'p99 ms':>9} {'L ms':>8} {'of L':>6} {'sockets ms':>11} {'wrong':>5} {'emulator late':>14}")
    with Emulator(options.build, options.rtt, options.rate, options.loss) as emulator:
        for size in sizes:
            for codec in options.codecs.split(",") if size >= 1 << 20 else ["none"]:
                before = emulator.state()
                row = longhaul(emulator, options, size, codec)
                late = emulator.lateness(before)
                plain = sockets(emulator, options, size, codec) if size >= 1 << 20 else None
                half = row["out_of_place"]
                rows.append({**row, "sockets_ms": plain, "emulator_late": late})
                print(f"{size:>10} {codec:>6} {half['time'] / 1e3:>10.2f} {half['time_p99'] / 1e3:>9.2f} {row['limit_ms']:>8.2f} "
                      f"{row['of_limit']:>6.3f} {f'{plain:.2f}' if plain else '-':>11} {half['nwrong'] or 0:>5} {late:>13.2%}", flush=True)
    if options.json:
        options.json.write_text(json.dumps({"options": {k: str(v) for k, v in vars(options).items()}, "results": rows}, indent=1))


if __name__ == "__main__":
    main()
