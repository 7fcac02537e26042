# SPDX-License-Identifier: Apache-2.0
"""Longhaul, and the plain sockets that its transport is measured against."""
import json
import tempfile
from pathlib import Path

from wan.emulator import SITES
from wan.jobs import run_together

CODEC_BITS = {"none": 32, "bf16": 16, "i8": 8.125}
SMALL = 1 << 20  # below: more calls, one codec, and no plain sockets


def calls(options, size):
    """(measured, warm-up) calls of that size."""
    return (options.iterations * 20, 20) if size < SMALL else (options.iterations, 3)


def longhaul(emulator, options, size, codec):
    """The row of all_reduce_perf."""
    with tempfile.TemporaryDirectory() as folder:
        config, result = Path(folder) / "job.toml", Path(folder) / "result.json"
        sites = "".join(f'[[site]]\nname = "{s}"\naddress = "{emulator.address[s]}:47000"\n' for s in SITES)
        config.write_text('run_id = "bench"\n[wan]\nencryption = "off"\n' + sites)
        measured, warm_up = calls(options, size)
        # Each site is a network of its own, so each mpirun sees its own machine only.
        command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(options.ranks), "-x", "LONGHAUL_CONFIG",
                   "-x", "LONGHAUL_SITE", str(options.build / "bin/all_reduce_perf"), "-b", str(size), "-e", str(size), "--codec", codec,
                   "-n", str(measured), "-w", str(warm_up), "-c", str(options.check),
                   "--link-rtt", emulator.rtt, "--link-rate", emulator.rate, "--wan", options.wan, "--pause", options.pause]
        commands = [emulator.inside(site, *command, *(["-J", str(result)] if site == SITES[0] else [])) for site in SITES]
        run_together(commands, options.timeout, [{"LONGHAUL_CONFIG": str(config), "LONGHAUL_SITE": site} for site in SITES])
        return json.loads(result.read_text())["results"][0]


def sockets(emulator, options, size, codec):
    """The result of socket_exchange: the two ends of one process pair, with as many connections as --connections says."""
    payload = max(8, int(size * CODEC_BITS[codec] / 32))
    program = [str(options.build / "bin/socket_exchange"), "--bytes", str(payload), "--connections", str(options.connections),
               "--iterations", str(options.iterations), "--warmup", "3", "--congestion", options.congestion]
    out = run_together([emulator.inside(SITES[0], *program, emulator.address[SITES[1]]), emulator.inside(SITES[1], *program)], options.timeout)
    return json.loads(out[0])
