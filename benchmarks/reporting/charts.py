# SPDX-License-Identifier: Apache-2.0
"""Time against size, and how much of the physical limit was reached: one line for each codec of each run."""
from collections import namedtuple

from .style import DASHES, INK, LINES, MARKERS, MUTED, label_ends, size_axis, time_axis
from .words import size_text, time_text

# Rows by size, all of one codec, type and operation of one run. The colour says which codec (type, operation), the dashes which run;
# None: not drawn, because nobody could tell so many apart.
Line = namedtuple("Line", "run label rows colour dashes marker")


def lines_of(runs):
    """Every line; a label says only what differs between lines, beside the codec."""
    found = {}
    for number, run in enumerate(runs):
        for row in run.rows:
            found.setdefault((number, row.type, row.op, row.codec), []).append(row)
    kinds = list(dict.fromkeys(key[1:] for key in found))
    types, ops = ({kind[i] for kind in kinds} for i in (0, 1))
    names, lines = run_names(runs), []
    for (number, *kind), rows in found.items():
        label = " ".join([kind[2]] + ([kind[0]] if len(types) > 1 else []) + ([kind[1]] if len(ops) > 1 else []))
        place, drawn = kinds.index(tuple(kind)), number < len(DASHES)
        colour = LINES[place] if drawn and place < len(LINES) else None
        lines.append(Line(runs[number], label + (f", {names[number]}" if len(runs) > 1 else ""), sorted(rows, key=lambda row: row.size), colour,
                          DASHES[number % len(DASHES)], MARKERS[number % len(MARKERS)]))
    return lines


def run_names(runs):
    """File names without ending, or whole paths where those would be equal."""
    stems = [run.path.stem for run in runs]
    return stems if len(set(stems)) == len(stems) else [str(run.path) for run in runs]


def drawable(lines):
    """What a logarithmic axis can show."""
    kept = [line._replace(rows=[row for row in line.rows if row.size > 0 and row.ms > 0]) for line in lines if line.colour]
    return [line for line in kept if line.rows]


def not_drawn(lines):
    count = sum(line.colour is None for line in lines)
    return f"{count} of {len(lines)} lines are not drawn: nobody could tell so many apart." if count else ""


def chart_kinds(lines):
    """The functions that draw the charts: one size is no line, and no limit is no share."""
    rows = [row for line in drawable(lines) for row in line.rows]
    if len({row.size for row in rows}) == 1:
        return [draw_bars]
    return [draw_times, draw_shares] if any(row.of_limit is not None for row in rows) else [draw_times]


def headline(axes, title, legend):
    axes.set_title(title, pad=22)
    axes.annotate(legend, xy=(0, 1), xycoords="axes fraction", xytext=(0, 6), textcoords="offset points", color=MUTED, fontsize=9)


def draw_times(axes, lines):
    """Median as a line, fastest to p99 as a band, L dashed below."""
    lines = drawable(lines)
    times, ends, limited = [], [], set()
    for line in lines:
        sizes, median = [row.size for row in line.rows], [row.ms for row in line.rows]
        low, high = [row.min_ms or row.ms for row in line.rows], [row.p99_ms for row in line.rows]
        limits = tuple((row.size, row.limit_ms) for row in line.rows if row.limit_ms)
        times += median + high + low + [limit for _, limit in limits]
        axes.fill_between(sizes, low, high, color=line.colour, alpha=0.18, linewidth=0)
        if limits and (line.colour, limits) not in limited:
            limited.add((line.colour, limits))
            # Wide and pale behind the line: a run close to its limit lies on it.
            axes.plot(*zip(*limits), color=line.colour, linewidth=4, alpha=0.45, linestyle=(0, (1.6, 1.1)))
        axes.plot(sizes, median, color=line.colour, linewidth=1.7, linestyle=line.dashes, marker=line.marker, markersize=4)
        ends.append((line.label, line.colour, sizes[-1], median[-1]))
    size_axis(axes, [row.size for line in lines for row in line.rows])
    time_axis(axes, min(times), max(times))
    axes.grid(True)
    label_ends(axes, ends)
    headline(axes, "Time of an all-reduce", "line: median, band: fastest to p99" + ("; wide dashes: physical limit L" if limited else ""))


def draw_shares(axes, lines):
    """L / time: 1 is a program that nobody can beat on that link."""
    lines = [line._replace(rows=[row for row in line.rows if row.of_limit is not None]) for line in drawable(lines)]
    lines = [line for line in lines if line.rows]
    ends = []
    for line in lines:
        sizes, shares = [row.size for row in line.rows], [row.of_limit for row in line.rows]
        axes.plot(sizes, shares, color=line.colour, linewidth=1.7, linestyle=line.dashes, marker=line.marker, markersize=4)
        ends.append((line.label, line.colour, sizes[-1], shares[-1]))
    axes.axhline(1, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    size_axis(axes, [row.size for line in lines for row in line.rows])
    axes.set_ylim(0, max(1.1, 1.05 * max(row.of_limit for line in lines for row in line.rows)))
    axes.set_ylabel("L / time")
    axes.grid(True, axis="y")
    label_ends(axes, ends)
    headline(axes, "Share of the physical limit L", "1: nobody could be faster on this link")


def draw_bars(axes, lines):
    """One size only: a bar each, L as a dashed mark in it, p99 as a whisker."""
    lines = drawable(lines)
    for place, line in enumerate(lines):
        row = line.rows[0]
        axes.barh(place, row.ms, height=0.55, color=line.colour)
        axes.plot([row.min_ms or row.ms, row.p99_ms], [place, place], color=INK, linewidth=1.2)
        if row.limit_ms:
            axes.plot([row.limit_ms] * 2, [place - 0.4, place + 0.4], color=INK, linewidth=1.5, linestyle=(0, (3, 1.5)))
        share = f", {row.of_limit:.2f} of L" if row.of_limit is not None else ""
        axes.annotate(f"{time_text(row.ms)}{share}", xy=(max(row.ms, row.p99_ms, row.limit_ms or 0), place), xytext=(6, 0), va="center",
                      textcoords="offset points", annotation_clip=False)
    axes.set_yticks(range(len(lines)), [line.label for line in lines])
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_xlim(0, 1.35 * max(max(row.ms, row.p99_ms, row.limit_ms or 0) for line in lines for row in line.rows))
    axes.set_xlabel("time of a call (ms)")
    axes.grid(True, axis="x")
    dashes = "; dashes: physical limit L" if any(line.rows[0].limit_ms for line in lines) else ""
    headline(axes, f"Time of an all-reduce of {size_text(lines[0].rows[0].size)}", f"bar: median, whisker: fastest to p99{dashes}")
