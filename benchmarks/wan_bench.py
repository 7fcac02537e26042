#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two sites over an emulated link, Longhaul beside plain sockets and other libraries in the same run. Needs root (network namespaces).

  benchmarks/wan_bench.py [--rtt 15ms] [--rate 1gbit] [--loss 0] [--ranks 2] [--sizes 8,4K,64M] [--codecs none,bf16,i8]
                          [--peers none|all|ompi-tcp,ompi-ucx,ompi-han,gloo] [--pause 0s] [--json FILE]
  benchmarks/wan_bench.py --matrix --json FILE      round trips of 1, 15 and 80 ms x losses of 0, 1e-4, 1e-3 and 1e-2, 64M

Prints one line a size and codec: median and p99 of the mean time over the ranks, L (the physical limit), what part of it was
reached, what plain sockets need for the same bytes, wrong values, how late the emulator itself was, bytes on the link for each byte of
the buffer, processor seconds for each GB on the link, and how many TCP segments were sent again; under it one line a peer, at its fastest
setting, with the time of the first one that was tried in brackets.
With --pause 10s Longhaul's ranks idle that long before every timed call. --rtt and --loss take lists too. With --json an interrupted run goes on where it stopped: start it again. More: docs/benchmarks.md.
"""
import argparse
import signal
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from wan import matrix, peers  # noqa: E402
from wan.results import Results  # noqa: E402
from wan.units import parse_list, parse_ms, parse_share, parse_size, size_text  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
MATRIX = {"rtt": "1ms,15ms,80ms", "loss": "0,0.0001,0.001,0.01", "sizes": "64M"}
USUAL = {"rtt": "15ms", "loss": "0", "sizes": "8,4K,64M"}


def parse_options(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--matrix", action="store_true", help=f"other defaults: {MATRIX}")
    for name in USUAL:
        parser.add_argument(f"--{name}")
    for name, default in (("rate", "1gbit"), ("codecs", "none,bf16,i8"), ("wan", ""), ("peers", "none"), ("congestion", "bbr"), ("pause", "0s")):
        parser.add_argument(f"--{name}", default=default)
    for name, default in (("ranks", 2), ("iterations", 10), ("connections", 8), ("check", 1), ("timeout", 1200)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    parser.add_argument("--json", type=Path, help="also write everything here, row by row")
    options = parser.parse_args(words)
    for name, default in (MATRIX if options.matrix else USUAL).items():
        if getattr(options, name) is None:
            setattr(options, name, default)
    try:
        understand(options)
    except ValueError as error:
        parser.error(str(error))
    return options


def understand(options):
    """Texts to values; raises ValueError where one makes no sense."""
    options.kept = {name: str(getattr(options, name)) for name in ("ranks", "iterations", "connections", "check", "wan", "peers", "congestion", "pause")}
    options.sizes = parse_list(options.sizes, parse_size)
    options.codecs = options.codecs.split(",")
    options.rtt, options.loss = options.rtt.split(","), options.loss.split(",")
    for rtt in options.rtt:
        parse_ms(rtt)
    for loss in options.loss:
        parse_share(loss)
    options.peers = peers.parse_peers(options.peers)
    absent = peers.missing(options.build, options.peers)
    if absent:
        raise ValueError(f"{options.build}/bin has no {', '.join(absent)}: install libopenmpi-dev and libgloo-dev, configure and build again, "
                         "or leave these peers out (--peers)")


HEADER = f"{'bytes':>7} {'codec, peer':>11} {'median ms':>10} {'p99 ms':>9} {'L ms':>8} {'of L':>6} {'sockets ms':>11} {'wrong':>5} " \
         f"{'emulator late':>14} {'link/bytes':>10} {'CPU s/GB':>9} {'resent':>7}"


def line(size, what, median, p99, limit, sockets, wrong, link, wire, cpu):
    """One line of the table. Times are in ms."""
    return (f"{size_text(size):>7} {what:>11} {median:>10.2f} {p99:>9.2f} {limit:>8.2f} {limit / median:>6.3f} "
            f"{f'{sockets:.2f}' if sockets else '-':>11} {wrong:>5} {link['late']:>14.2%} "
            f"{wire / size:>10.2f} {f'{cpu:.2f}' if cpu else '-':>9} {link['retransmitted_segments']:>7}")


def first_setting(peer):
    """The time without any tuning, or as close to that as runs, where something else was faster."""
    first = peer["tried"][0]
    return "" if first["settings"] == peer["best"]["settings"] or "error" in first else f" ({first['settings']}: {first['median_ms']:.2f})"


def lines(row):
    if "error" in row:
        return [f"{size_text(row['size']):>7} {row['codec']:>11} failed: {row['error']}"]
    half, limit = row["out_of_place"], row["limit_ms"]
    texts = [line(row["size"], row["codec"], half["time"] / 1e3, half["time_p99"] / 1e3, limit, row["sockets_ms"], half["nwrong"] or 0, row["link"],
                  row["wire_bytes"], row["cpu_s_per_gb"])]
    for name, peer in row.get("peers", {}).items():
        best = peer["best"]
        if best:
            wire = max(best["wire_bytes_out"], best["wire_bytes_in"])
            texts.append(line(row["size"], name, best["median_ms"], best["p99_ms"], limit, None, best["wrong"], best["link"], wire,
                              best["cpu_s_per_gb"]) + f"  {best['settings']}{first_setting(peer)}")
        for one in peer["tried"]:
            if "error" in one:
                texts.append(f"{size_text(row['size']):>7} {name:>11} failed with {one['settings']}: {one['error'].strip().splitlines()[-1]}")
    return texts


class Printer:
    """Says which link it is when that changes."""

    def __init__(self, options):
        self.options, self.link = options, None

    def __call__(self, row):
        link = (row["rtt"], row["loss"])
        if link != self.link:
            self.link = link
            print(f"2 sites x {self.options.ranks} ranks, rtt {row['rtt']}, rate {row['rate']}, loss {row['loss']}; sockets: "
                  f"{self.options.connections} connections\n{HEADER}")
        print("\n".join(lines(row)), flush=True)


def main(words):
    options = parse_options(words)
    try:
        results = Results(options.json, options.kept)
    except ValueError as error:
        sys.exit(f"wan_bench.py: {error}")
    if results.rows:
        print(f"{len(results.rows)} rows are in {options.json} already")
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        return 1 if matrix.run(options, results, Printer(options)) else 0
    except KeyboardInterrupt:
        sys.exit("wan_bench.py: stopped" + (f"; {options.json} has what was measured: start it again to go on" if options.json else ""))


def stop(*_):
    """Once: a second signal must not keep the programs and the emulator from being ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
