#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the same model with every way to carry its gradients over an emulated WAN; writes results, a table and charts. Needs root.

  examples/torch/study.py [--seeds 0,1,2] [--modes ...] [--links ...] [--steps 100] [--minutes N] [--output build/training] [--quick]
  examples/torch/study.py --report-only

results.jsonl has a line for every training. An interrupted study goes on where it stopped: start it again. --minutes stops it before
a training that would begin later than that. More: README.md.
"""
import argparse
import json
import signal
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
import launch  # noqa: E402

MODES = "gloo,gloo-bf16,none,lossless,bf16,i8,r4,f4,r2,r2+ef"
FAST_MODES = "gloo,gloo-bf16,none,lossless,i8,r4"
SLOW = {"name": "100 Mbit/s, 20 ms", "rtt": "20ms", "rate": "100mbit", "mbit": 100}
FAST = ({"name": "1 Gbit/s, 1 ms", "rtt": "1ms", "rate": "1gbit", "mbit": 1000},
        {"name": "4 Gbit/s, 1 ms", "rtt": "1ms", "rate": "4gbit", "mbit": 4000})


def parse_options(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modes", default=MODES)
    parser.add_argument("--fast-modes", default=FAST_MODES, help="on the faster links, for time and bytes only; empty: leave them out")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--fast-steps", type=int, default=20)
    parser.add_argument("--minutes", type=float, help="begin no training after this long")
    parser.add_argument("--quick", action="store_true", help="one seed, few modes and steps, one fast link: shows that it works")
    parser.add_argument("--report-only", action="store_true", help="from the results that are there")
    parser.add_argument("--build", type=Path, default=launch.ROOT / "build/release")
    parser.add_argument("--output", type=Path, default=launch.ROOT / "build/training")
    parser.add_argument("--training", default="", help='more options for train_two_sites.py, e.g. "--width 192"')
    offered = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    parser.add_argument("--congestion", default="bbr" if "bbr" in offered else "cubic", help="of the TCP of all modes")
    options = parser.parse_args(words)
    if options.quick:
        options.modes, options.seeds, options.steps, options.fast_modes, options.fast_steps = "gloo,none,i8", "0", 12, "gloo,i8", 10
    return options


def cases(options):
    """[(link, case)]: seed by seed, so that an early end leaves whole seeds; the fast links after the first."""
    modes = options.modes.split(",")
    slow = [(SLOW, {"mode": mode, "seed": int(seed), "steps": options.steps}) for seed in options.seeds.split(",") for mode in modes]
    links = FAST[:1] if options.quick else FAST
    fast = [(link, {"mode": mode, "seed": 0, "steps": options.fast_steps}) for link in links for mode in options.fast_modes.split(",") if mode]
    return slow[:len(modes)] + fast + slow[len(modes):]


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def missing(options, rows):
    for row in rows:
        if (row["training"], row["congestion"]) != (options.training, options.congestion):
            sys.exit(f"study.py: the results in {options.output} are of --training '{row['training']}' --congestion {row['congestion']}: "
                     "name another --output")
    there = {(row["link"], row["mode"], row["seed"], row["steps"]) for row in rows}
    return [(link, case) for link, case in cases(options) if (link["name"], case["mode"], case["seed"], case["steps"]) not in there]


def arguments_of(case, options):
    return ["--steps", str(case["steps"]), *options.training.split()]


def measure(options, path):
    rows = read(path)
    todo, begin = missing(options, rows), time.monotonic()
    total, taken = len(todo) + len(rows), []
    while todo:
        link = todo[0][0]
        with launch.emulator(options.build, link, options.congestion) as emulation:
            while todo and todo[0][0] is link:
                if options.minutes and time.monotonic() - begin > 60 * options.minutes:
                    return print(f"{len(todo)} of {total} trainings are left: start again to go on", flush=True)
                case, start = todo.pop(0)[1], time.monotonic()
                row = launch.run(emulation, case, link, arguments_of(case, options))
                row.update(training=options.training, congestion=options.congestion)
                with path.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                taken.append(time.monotonic() - start)
                print(f"{total - len(todo)} of {total}: {link['name']}, {case['mode']}, seed {case['seed']}: {row['median_s']:.3f} s a step, "
                      f"{sum(row['sent_bytes']) / 2e6:.2f} MB each way a step, validation loss {row['validation'][-1][1]:.4f}; "
                      f"took {taken[-1]:.0f} s, about {len(todo) * sum(taken) / len(taken) / 60:.0f} min left", flush=True)


def stop(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(words):
    options = parse_options(words)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / ("quick.jsonl" if options.quick else "results.jsonl")
    signal.signal(signal.SIGTERM, stop)
    try:
        if not options.report_only:
            measure(options, path)
    except KeyboardInterrupt:
        sys.exit(f"study.py: stopped; {path} has what was measured: start it again to go on")
    except launch.JobFailed as failure:
        sys.exit(f"study.py: {failure}")
    import tables
    tables.write(read(path), options.output)


if __name__ == "__main__":
    main(sys.argv[1:])
