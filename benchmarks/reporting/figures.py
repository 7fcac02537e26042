# SPDX-License-Identifier: Apache-2.0
"""One picture after the other for the page, or all on one sheet for the PNG: both draw with charts.py and gantt.py."""
import textwrap

from matplotlib.figure import Figure

from .charts import chart_kinds, draw_bars, not_drawn, run_names
from .gantt import detail_chunks, draw_detail, draw_pipeline, height_inches
from .pipeline import sentence
from .style import INK, MUTED
from .words import answers, link_text, shape_text, version_text, why_no_limit

LEFT, ABOVE, BELOW = 0.75, 0.65, 0.6  # inches around a chart
SHEET = 13.0


def label_inches(lines):
    return 0.25 + 0.092 * max((len(line.label) for line in lines if line.colour), default=0)


def place(figure, left, bottom, width, height):
    """Axes at inches of a figure."""
    w, h = figure.get_size_inches()
    return figure.add_axes((left / w, bottom / h, width / w, height / h))


def draw_chart(draw, lines, figure, left, bottom, width, height):
    """The chart and all that is written around it, in a box. Names of lines are right of them, of bars left."""
    room = label_inches(lines)
    before, after = (max(LEFT, room), 0.2) if draw is draw_bars else (LEFT, room)
    draw(place(figure, left + before, bottom + BELOW, width - before - after, height - ABOVE - BELOW), lines)


def chart_figure(draw, lines, width=5.4, height=3.7):
    figure = Figure(figsize=(width, height))
    draw_chart(draw, lines, figure, 0, 0, width, height)
    return figure


def draw_call(figure, left, bottom, width, height, pipe, one_way_ms, limit_ms):
    """The pipeline in a box, with some rows enlarged where they would be thin. Returns what to say about bars."""
    inner = height - BELOW - 0.75
    share = 0.62 if detail_chunks(pipe) else 1.0
    whole = place(figure, left + LEFT, bottom + BELOW, share * (width - LEFT - 0.2), inner)
    notes = draw_pipeline(whole, pipe, one_way_ms, limit_ms)
    if share < 1:
        detail = place(figure, left + LEFT + share * (width - LEFT - 0.2) + 0.5, bottom + BELOW, (1 - share) * (width - LEFT - 0.2) - 0.5, inner)
        notes.update(draw_detail(detail, pipe, whole))
    return notes


def pipeline_figure(pipe, one_way_ms, limit_ms, width=10.8):
    """(figure, what to say about its bars)."""
    height = height_inches(pipe)
    figure = Figure(figsize=(width, height))
    return figure, draw_call(figure, 0, 0, width, height, pipe, one_way_ms, limit_ms)


def facts_line(run):
    config = run.json["config"]
    parts = [shape_text(run), config.get("mode", ""), link_text(run), f"longhaul {version_text(run.json.get('longhaul_version'))}"]
    machine = run.json.get("machine") or {}
    parts += [str(machine[key]) for key in ("cpu", "time") if machine.get(key)]
    return "; ".join(part for part in parts if part)


def sheet_texts(runs, lines, pipe, one_way_ms):
    """(above, below) the charts of the sheet, as wrapped lines."""
    above = []
    for name, run in zip(run_names(runs), runs):
        above.append((f"{name}: " if len(runs) > 1 else "") + facts_line(run))
        above += [f"  •  {answer}" for answer in answers(run, [(line.label, line.rows) for line in lines if line.run is run])]
    above += [note for note in (not_drawn(lines), why_no_limit(runs)) if note]
    below = [sentence(pipe, one_way_ms)] if pipe else []
    below += [f"$ {run.json.get('cmdline', '')}" for run in runs]
    return wrapped(above, 170), wrapped(below, 190)


def wrapped(texts, width):
    lines = [line for text in texts for line in textwrap.wrap(text, width, subsequent_indent="     ", drop_whitespace=False)]
    return [line.replace("$", r"\$") for line in lines]  # matplotlib would see mathematics


def sheet(runs, lines, pipe, one_way_ms, limit_ms):
    """Everything on one figure, from top to bottom."""
    above, below = sheet_texts(runs, lines, pipe, one_way_ms)
    row, chart_height, call_height = 0.21, 4.4, height_inches(pipe) if pipe else 0
    head, foot = 0.75 + row * len(above), 0.3 + row * len(below)
    total = head + chart_height + call_height + foot
    figure = Figure(figsize=(SHEET, total), facecolor="white")

    def write(texts, top, **style):
        for i, text in enumerate(texts):
            figure.text(0.3 / SHEET, 1 - (top + row * i) / total, text, va="top", **style)

    write(["Longhaul all-reduce"], 0.2, fontsize=16, fontweight="bold", color=INK)
    write(above, 0.6, color=INK)
    kinds = chart_kinds(lines)
    for i, draw in enumerate(kinds):
        width = SHEET / len(kinds)
        draw_chart(draw, lines, figure, i * width, foot + call_height, width, chart_height)
    if pipe:
        draw_call(figure, 0, foot, SHEET, call_height, pipe, one_way_ms, limit_ms)
    write(below, total - foot + 0.1, color=MUTED, fontsize=9)
    return figure
