# SPDX-License-Identifier: Apache-2.0
"""One training over the emulated WAN: starts its four ranks, two in each site's namespace, and reads what they print."""
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
from wan.emulator import SITES, Emulator  # noqa: E402
from wan.jobs import JobFailed, run_together  # noqa: E402, F401

RANKS = 2  # of a site
PROGRAM = Path(__file__).resolve().parent / "train_two_sites.py"
SETTLED = 5  # steps left out of times and bytes: DistributedDataParallel orders its buckets anew after the first


def emulator(build, link, congestion="bbr"):
    made = Emulator(build, link["rtt"], link["rate"], "0", congestion)
    made.name = made.name.replace("bench", "train")
    return made


def config(link, addresses, codec_from):
    """The TOML file of both sites. 0.945 of the rate: what the link carries of payload (docs/configuration.md)."""
    sites = "".join(f'[[site]]\nname = "{site}"\naddress = "{addresses[site]}:47000"\n' for site in SITES)
    return (f'run_id = "training"\n[wan]\nencryption = "off"\nmin_compress_bytes = "{codec_from}"\ntimeout = "60s"\n'
            f'rate_limit = "{int(link["mbit"] * 0.945 * 1000)}kbit"\n{sites}')


def commands(emulation, case, folder, arguments):
    """(command, environment) of every rank. A flat job spans both sites; with Longhaul each site is a job by itself."""
    package = os.environ.get("PYTHONPATH", str(ROOT / "python"))
    flat = case["mode"].startswith("gloo")
    made = []
    for site_index, site in enumerate(SITES):
        for local in range(RANKS):
            rank, size, master = (site_index * RANKS + local, RANKS * len(SITES), SITES[0]) if flat else (local, RANKS, site)
            environment = {"RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": local, "MASTER_ADDR": emulation.address[master], "MASTER_PORT": 29500,
                           "GLOO_SOCKET_IFNAME": "wan0", "LONGHAUL_CONFIG": folder / "job.toml", "LONGHAUL_SITE": site,
                           "PYTHONPATH": package}
            command = emulation.inside(site, sys.executable, "-B", str(PROGRAM), "--mode", case["mode"], "--seed", str(case["seed"]), *arguments)
            made.append((command, {name: str(value) for name, value in environment.items()}))
    return made


def run(emulation, case, link, arguments, codec_from="64KiB", timeout=900):
    """The row of one training: its series, and medians over the steps after the first few."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "job.toml").write_text(config(link, emulation.address, codec_from))
        started = commands(emulation, case, Path(folder), arguments)
        before = emulation.look()
        texts = run_together([command for command, _ in started], timeout, [environment for _, environment in started])
        whole = emulation.since(before)
    first, second = ([json.loads(line) for line in texts[i].splitlines()] for i in (0, RANKS))  # the first rank of each site
    steps, other = ([one for one in events if one["event"] == "step"][SETTLED:] for events in (first, second))
    start, end = first[0], first[-1]
    return {**case, "link": link["name"], "parameters": start["parameters"], "torch": start["torch"], "options": start["options"],
            "learned": start["learned"], "held_out": start["held_out"], "losses": end["losses"],
            "validation": [[one["step"], one["loss"]] for one in first if one["event"] == "validation"],
            "checks": sum(one["event"] == "replicas" for one in first), "seconds": [one["seconds"] for one in first if one["event"] == "step"],
            "median_s": statistics.median(one["seconds"] for one in steps),
            "sent_bytes": [sum(one["sent"] for one in part) / len(part) for part in (steps, other)], "whole": whole}
