# SPDX-License-Identifier: Apache-2.0
"""One all-reduce out of a trace: its chunks' bars, and where its time went. Pure; milliseconds from the begin of the call."""
from collections import namedtuple

from .inputs import BadInput, NoPipeline
from .words import percent_text, size_text, time_text

# In the order in which a chunk goes through them.
STAGES = ("collect", "send", "exchange", "combine", "distribute")
# What a GPU does meanwhile, and in which of its streams: one after the other in a stream, side by side in several.
PHASES = {"reduce-scatter": 0, "encode": 0, "copy out": 0, "encode again": 1, "decode": 1, "all-gather": 2}

Bar = namedtuple("Bar", "stage chunk begin length bytes")
Pipeline = namedtuple("Pipeline", "rank site call name bytes codec length bars gpu", defaults=([],))
# begins with the call: first and last are when the first and the last contribution of another site was complete.
Phases = namedtuple("Phases", "first last length")


def ranks_of(events):
    return sorted({event["pid"] for event in events if event["ph"] == "X"})


def site_of(events, rank):
    """From the process's name, 'rank 0, site wisconsin'; '' where nobody said."""
    for event in events:
        if event["ph"] == "M" and event.get("name") == "process_name" and event["pid"] == rank:
            return str(event["args"].get("name", "")).partition("site ")[2]
    return ""


def choose_call(events, rank, wanted):
    """The call's event: the one `wanted`, else the last all-reduce that moved chunks."""
    mine = [event for event in events if event["ph"] == "X" and event["pid"] == rank]
    if not mine:
        raise BadInput(f"rank {rank} is not in the trace: it has {listed(ranks_of(events)) or 'no calls at all'}")
    moved = {event["args"]["call"] for event in mine if event.get("cat") == "chunk"}
    calls = {event["args"]["call"]: event for event in mine
             if event.get("cat") == "call" and event["name"].startswith("lhAllReduce") and event["args"]["call"] in moved}
    if not calls:
        raise NoPipeline(f"the trace has no all-reduce of rank {rank} that moved chunks, so there is no pipeline to draw")
    if wanted is not None and wanted not in calls:
        raise BadInput(f"call {wanted} is no all-reduce with chunks of rank {rank}: those are {listed(sorted(calls))}")
    return calls[max(calls) if wanted is None else wanted]


def listed(numbers):
    """"0, 1, 2" or, where there are many, "0, 1, 2, ... 47"."""
    return ", ".join(map(str, numbers)) if len(numbers) <= 8 else f"{numbers[0]}, {numbers[1]}, {numbers[2]}, ... {numbers[-1]}"


def pipeline(events, rank=0, wanted=None):
    call = choose_call(events, rank, wanted)
    begin, arguments = call["ts"], call["args"]

    def bars_of(kind, names):
        return [Bar(event["name"], event["args"]["chunk"], (event["ts"] - begin) / 1e3, event["dur"] / 1e3, event["args"].get("bytes", 0))
                for event in events if event["ph"] == "X" and event["pid"] == rank and event.get("cat") == kind
                and event["args"]["call"] == arguments["call"] and event["name"] in names]

    bars = bars_of("chunk", STAGES)
    if not bars:
        raise BadInput(f"call {arguments['call']} of rank {rank} has none of the stages {', '.join(STAGES)}")
    bars.sort(key=lambda bar: (bar.chunk, STAGES.index(bar.stage), bar.begin))
    return Pipeline(rank, site_of(events, rank), arguments["call"], call["name"], arguments.get("bytes", 0), arguments.get("codec", ""),
                    call["dur"] / 1e3, bars, bars_of("gpu", PHASES))


def gpu_times(pipe):
    """[(phase, milliseconds of all chunks together)], without phases that no chunk had."""
    lengths = [(phase, sum(bar.length for bar in pipe.gpu if bar.stage == phase)) for phase in PHASES]
    had = {bar.stage for bar in pipe.gpu}
    return [(phase, length) for phase, length in lengths if phase in had]


def gpu_sentence(pipe):
    """'' where nothing ran on a GPU."""
    times = gpu_times(pipe)
    if not times:
        return ""
    streams = {}
    for phase, length in times:
        streams.setdefault(PHASES[phase], []).append((phase, length))
    busiest = max(streams.values(), key=lambda stream: sum(length for _, length in stream))
    share = sum(length for _, length in busiest) / (pipe.length or 1)
    phases = ", ".join(f"{phase} {time_text(length)}" for phase, length in times)
    return f" On the GPU: {phases}; the busiest stream ({' + '.join(phase for phase, _ in busiest)}) works {percent_text(share)} of the call."


def stage_shares(pipe):
    """[(stage, its share of the time of all chunks)], without stages that no chunk had."""
    total = sum(bar.length for bar in pipe.bars) or 1
    lengths = [(stage, sum(bar.length for bar in pipe.bars if bar.stage == stage)) for stage in STAGES]
    had = {bar.stage for bar in pipe.bars}
    return [(stage, length / total) for stage, length in lengths if stage in had]


def phases(pipe):
    """None where nothing came from another site."""
    arrivals = [bar.begin + bar.length for bar in pipe.bars if bar.stage == "exchange"]
    return Phases(min(arrivals), max(arrivals), pipe.length) if arrivals else None


def limited_by(pipe, one_way_ms=None):
    """Where most of the call went, in words."""
    parts = phases(pipe)
    if not parts:
        return "nothing came from another site"
    begin, middle, tail = parts.first, parts.last - parts.first, parts.length - parts.last
    if begin >= max(middle, tail):
        late = one_way_ms and begin > 2 * one_way_ms
        return ("most of it was the wait for the first contribution, " +
                ("longer than the distance explains: the other site began later or was busy" if late else "which is distance, not rate"))
    if tail > middle:
        return "most of it was the tail, which is this site's own work after the last arrival"
    most = max(stage_shares(pipe), key=lambda item: item[1])[0]
    if most in ("send", "exchange"):
        return "the pipeline was full, and its chunks mostly waited for the link and the other sites"
    return f"the pipeline was full, and its chunks were longest in '{most}', which is this site's own work, not the link"


def sentence(pipe, one_way_ms=None):
    """The line under the picture."""
    codec = f" {pipe.codec}" if pipe.codec else ""
    whole = f"{pipe.name} ({size_text(pipe.bytes)}{codec}) took {time_text(pipe.length)} at rank {pipe.rank}"
    parts, shares = phases(pipe), ", ".join(f"{stage} {percent_text(share)}" for stage, share in stage_shares(pipe))
    if parts:
        distance = f" (one-way delay {time_text(one_way_ms)})" if one_way_ms else ""
        whole += f": {time_text(parts.first)} until the first contribution was here{distance}, "
        whole += f"{time_text(parts.last - parts.first)} more until the last, " if parts.last > parts.first else ""
        whole += f"{time_text(max(0, parts.length - parts.last))} after it"
    return f"{whole}; {limited_by(pipe, one_way_ms)}. Of the chunks' time: {shares}.{gpu_sentence(pipe)}"
