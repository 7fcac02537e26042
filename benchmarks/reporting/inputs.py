# SPDX-License-Identifier: Apache-2.0
"""What is in the files? Reads and checks results (all_reduce_perf -J) and traces; times become milliseconds here."""
import json
import re
from collections import namedtuple
from pathlib import Path

# One size of one codec. Times in milliseconds; what was not measured or not known is None. nccl_ratio: NCCL's time / Longhaul's.
# gpu: what limits on GPUs, as all_reduce_perf -J has it.
Row = namedtuple("Row", "size type op codec ms min_ms p99_ms in_place_ms limit_ms of_limit ratio link_percent wrong notes nccl_ms nccl_ratio gpu")
# `json` is the file as it is: facts for the page. rtt_ms and bits_per_s are None where the run did not know its link.
Run = namedtuple("Run", "path json rows sites ranks rtt_ms bits_per_s")


class BadInput(Exception):
    """Says which file, what is wrong with it and what to do: printed as it is."""


class NoPipeline(BadInput):
    """The trace is good, but nothing in it can be drawn."""


def read_json(path):
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not JSON: it is not even text") from error
    except json.JSONDecodeError as error:
        raise BadInput(f"{path} is not JSON: line {error.lineno}: {error.msg} (was the program that wrote it stopped?)") from error


def number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def field(table, key, where, check=number, optional=False):
    value = table.get(key) if isinstance(table, dict) else None
    if not (check(value) or (optional and value is None)):
        found = "is missing" if value is None else f"is {json.dumps(value)[:40]}, which it cannot be"
        raise BadInput(f"{where}: '{key}' {found}; a result is what all_reduce_perf -J FILE writes")
    return value


def text(value):
    return isinstance(value, str)


def read_row(row, where):
    out, inside = (field(row, key, where, lambda v: isinstance(v, dict)) for key in ("out_of_place", "in_place"))
    wrong = [field(half, "nwrong", where, optional=True) for half in (out, inside)]
    optional = {key: field(row, key, where, optional=True) for key in ("limit_ms", "of_limit", "ratio", "link_percent")}
    flat = field(row, "flat_nccl", where, lambda v: isinstance(v, dict), optional=True)
    nccl = field(flat, "out_of_place", f"{where}: flat_nccl", lambda v: isinstance(v, dict)) if flat else None
    return Row(gpu=field(row, "gpu", where, lambda v: isinstance(v, dict) and text(v.get("limit")) and number(v.get("limit_share")), optional=True),
               nccl_ms=field(nccl, "time", where) / 1e3 if flat else None, nccl_ratio=field(flat, "time_ratio", where) if flat else None,
               size=field(row, "size", where), type=field(row, "type", where, text), op=field(row, "redop", where, text),
               codec=field(row, "codec", where, text), ms=field(out, "time", where) / 1e3, min_ms=field(out, "time_min", where) / 1e3,
               p99_ms=field(out, "time_p99", where) / 1e3, in_place_ms=field(inside, "time", where) / 1e3,
               wrong=None if None in wrong else sum(wrong), notes=row.get("notes", []), **optional)


def read_result(path):
    document = read_json(path)
    results = field(document, "results", path, lambda v: isinstance(v, list))
    rows = [read_row(row, f"{path}: row {i + 1}") for i, row in enumerate(results)]
    if not rows:
        why = f": the run ended early: {document['error']}" if document.get("error") else ""
        raise BadInput(f"{path} has no row, so there is nothing to draw{why}")
    config = field(document, "config", path, lambda v: isinstance(v, dict))
    link = config.get("link") or {}
    return Run(path=Path(path), json=document, rows=rows, sites=field(config, "sites", path), ranks=field(config, "ranks", path),
               rtt_ms=field(link, "rtt_ms", path, optional=True), bits_per_s=field(link, "bits_per_s", path, optional=True))


def trace_files(given):
    """`given` is a merged trace, or what LONGHAUL_TRACE was: the ranks' own files, in rank order. Both where both are: ranks of other
    machines are not in the merged one."""
    path = Path(given)
    found = [(re.fullmatch(re.escape(path.name) + r"\.rank(\d+)\.json", file.name), file)
             for file in (path.parent.iterdir() if path.parent.is_dir() else [])]
    files = [path] if path.is_file() else []
    files += [file for _, file in sorted((int(match.group(1)), file) for match, file in found if match)]
    if not files:
        raise BadInput(f"--trace {given}: there is neither such a file nor {given}.rank0.json; a trace is what all_reduce_perf --trace "
                       f"FILE.json or LONGHAUL_TRACE={given} writes")
    return files


def read_trace(given):
    """All events of a merged trace or of the files of all ranks; their times are still those of the file."""
    events = []
    for path in trace_files(given):
        document = read_json(path)
        listed = document.get("traceEvents") if isinstance(document, dict) else None
        if not isinstance(listed, list):
            raise BadInput(f"{path} has no list 'traceEvents', so it is no trace")
        for position, event in enumerate(listed):
            if not good_event(event):
                raise BadInput(f"{path}: event {position + 1} is not one of Longhaul's: {json.dumps(event)[:80]}")
        events += listed
    return events


def good_event(event):
    if not isinstance(event, dict) or not isinstance(event.get("args"), dict) or not number(event.get("pid")):
        return False
    if event.get("ph") != "X":
        return True
    arguments = event["args"]
    timed = number(event.get("ts")) and number(event.get("dur")) and event["dur"] >= 0 and text(event.get("name"))
    return timed and number(arguments.get("call")) and (event.get("cat") not in ("chunk", "gpu") or number(arguments.get("chunk")))
