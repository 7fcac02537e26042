#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A report of what all_reduce_perf measured, as one self-contained HTML page or one PNG picture. Needs matplotlib.

  report.py RESULT.json [RESULT.json ...] [--trace FILE.json|PREFIX] [--rank R] [--call N] -o REPORT.html|REPORT.png

RESULT.json is what all_reduce_perf -J writes; several are drawn into the same charts. --trace takes the file of all_reduce_perf --trace, or
the PREFIX that LONGHAUL_TRACE was, and adds a picture of one all-reduce's pipeline. docs/reports.md says how to read the pictures.
Exit status: 0 good, 2 wrong usage or input, 3 no matplotlib.
"""
import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # installed folders are not ours to write to
sys.path.insert(0, str(Path(__file__).resolve().parent))


def limit_of(runs, pipe):
    """L of the rows of the call's size and codec; None where it is not known or not the same for all."""
    limits = {row.limit_ms for run in runs for row in run.rows if row.size == pipe.bytes and row.codec.split(":")[-1] == pipe.codec}
    return limits.pop() if len(limits) == 1 else None


def write(options):
    from reporting import charts, figures, inputs, page, pipeline, style
    runs = [inputs.read_result(path) for path in options.results]
    lines = charts.lines_of(runs)
    if not charts.drawable(lines):
        raise inputs.BadInput(f"{options.results[0]}: no row has a size and a time above 0, so there is nothing to draw")
    pipe = None
    try:
        pipe = pipeline.pipeline(inputs.read_trace(options.trace), options.rank, options.call) if options.trace else None
    except inputs.NoPipeline as reason:
        print(f"report.py: no picture of the pipeline: {reason}", file=sys.stderr)
    round_trips = {run.rtt_ms for run in runs}
    one_way_ms = runs[0].rtt_ms / 2 if len(round_trips) == 1 and runs[0].rtt_ms else None
    parts = (runs, lines, pipe, one_way_ms, limit_of(runs, pipe) if pipe else None)
    with style.settings():
        if options.output.suffix == ".html":
            options.output.write_text(page.page(*parts), encoding="utf-8")
        else:
            figures.sheet(*parts).savefig(options.output, dpi=150)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULT.json")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="REPORT", help="the file to write; .html or .png says which kind")
    parser.add_argument("--trace", metavar="FILE|PREFIX", help="draw the pipeline of one call of this trace")
    parser.add_argument("--rank", type=int, default=0, help="whose pipeline (default 0)")
    parser.add_argument("--call", type=int, help="the number of the call (default: the trace's last all-reduce)")
    options = parser.parse_args(arguments)
    if options.output.suffix not in (".html", ".png"):
        parser.error(f"-o {options.output}: the name must end with .html or .png")
    if not options.trace and (options.call is not None or options.rank != 0):
        parser.error("--rank and --call choose from a trace: give --trace")
    try:
        import matplotlib  # noqa: F401 pylint: disable=unused-import
    except ImportError as error:
        print(f"report.py: {sys.executable} has no matplotlib ({error}): apt-get install python3-matplotlib, and use /usr/bin/python3, or pip "
              "install matplotlib", file=sys.stderr)
        return 3
    from reporting.inputs import BadInput
    try:
        write(options)
    except BadInput as error:
        print(f"report.py: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"report.py: cannot write {options.output}: {error.strerror or error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
