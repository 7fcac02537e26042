# SPDX-License-Identifier: Apache-2.0
"""Every link with every size and codec: which rows there are, and how one is measured."""
from wan import peers
from wan.emulator import Emulator
from wan.jobs import JobFailed
from wan.longhaul import SMALL, longhaul, sockets


def cases(options):
    """(rtt, loss, [(size, codec)]) link by link. Codecs make no difference to small calls."""
    rows = [(size, codec) for size in options.sizes for codec in (options.codecs if size >= SMALL else ["none"])]
    return [(rtt, loss, rows) for rtt in options.rtt for loss in options.loss]


def run(options, results, show):
    """Measures what `results` lacks; show(row) as each is there. Returns the number of rows that failed."""
    failed = 0
    for rtt, loss, rows in cases(options):
        rows = [(size, codec) for size, codec in rows if not results.has(rtt=rtt, rate=options.rate, loss=loss, size=size, codec=codec)]
        if not rows:
            continue
        with Emulator(options.build, rtt, options.rate, loss, options.congestion) as emulator:
            for size, codec in rows:
                row = {"rtt": rtt, "rate": options.rate, "loss": loss, "size": size, "codec": codec, **measure(emulator, options, size, codec)}
                failed += "error" in row
                results.add(row)
                show(row)
    return failed


def measure(emulator, options, size, codec):
    before = emulator.look()
    try:
        row = longhaul(emulator, options, size, codec)
        row["link"] = emulator.since(before)
        row["emulator_late"] = row["link"]["late"]
        if size >= SMALL:
            before = emulator.look()
            row["sockets"] = {**sockets(emulator, options, size, codec), "link": emulator.since(before)}
        row["sockets_ms"] = row["sockets"]["median_ms"] if "sockets" in row else None
    except JobFailed as failure:
        return {"error": str(failure)[-4000:]}
    if codec == "none":  # the others compress nothing either
        row["peers"] = {name: peers.measure(emulator, options, name, size) for name in options.peers}
    return row
