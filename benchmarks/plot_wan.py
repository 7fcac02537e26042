#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws what wan_bench.py measured. Needs matplotlib (scripts/install_deps.sh python3-matplotlib).

  benchmarks/plot_wan.py sizes FILE.json OUT.png [--rtt 15ms] [--loss 0]     time against size, Longhaul beside the others
  benchmarks/plot_wan.py matrix FILE.json OUT.png [--size 64M]               share of L for each round trip, loss and codec
"""
import argparse
import json
import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from wan.units import parse_ms, parse_share, parse_size, size_text  # noqa: E402

# Okabe and Ito's colours, which colour-blind readers can tell apart; the markers say the same once more.
STYLE = {
    "longhaul": ("Longhaul, exact", "#0072B2", "o"), "sockets": ("plain sockets", "#000000", "x"), "ompi-tcp": ("Open MPI, TCP", "#D55E00", "s"),
    "ompi-ucx": ("Open MPI, UCX", "#E69F00", "D"), "ompi-han": ("Open MPI, HAN", "#CC79A7", "^"),
    "gloo": ("Gloo, fastest", "#009E73", "v"), "gloo-ring": ("Gloo, PyTorch's ring", "#56B4E9", "<"),
}


CODECS = {"none": "Longhaul, exact (none)", "bf16": "Longhaul, bf16", "i8": "Longhaul, i8"}


def link_of(row):
    return row["rtt"], row["loss"]


def size_words(size):
    text = size_text(size)
    return f"{text} B" if text.isdigit() else f"{text[:-1]} {text[-1]}iB"


def rate_words(rate):
    match = re.fullmatch(r"([\d.]+)([kmg])bit", rate)
    return f"{match[1]} {match[2].upper()}bit/s" if match else rate


def times(rows):
    """{who: {size: ms}} and {size: L in ms} of rows with codec none."""
    found, limit = {}, {}
    for row in rows:
        limit[row["size"]] = row["limit_ms"]
        one = {"longhaul": row["out_of_place"]["time"] / 1e3, "sockets": row.get("sockets_ms")}
        one.update({name: peer["best"] and peer["best"]["median_ms"] for name, peer in row.get("peers", {}).items()})
        one.update({"gloo-ring": tried["median_ms"] for tried in row.get("peers", {}).get("gloo", {}).get("tried", [])
                    if tried["settings"] == "ring" and "error" not in tried})
        for who, ms in one.items():
            if ms:
                found.setdefault(who, {})[row["size"]] = ms
    return found, dict(sorted(limit.items()))


def spread(positions, least):
    """Moves sorted positions apart until neighbours are `least` from each other, as little as possible up and down."""
    groups = []
    for position in positions:
        groups.append([position, 1])  # middle, members
        while len(groups) > 1 and groups[-1][0] - groups[-2][0] < least * (groups[-1][1] + groups[-2][1]) / 2:
            middle, members = groups.pop()
            other, others = groups.pop()
            groups.append([(middle * members + other * others) / (members + others), members + others])
    return [middle + least * (i - (members - 1) / 2) for middle, members in groups for i in range(members)]


def label_ends(axes, found, size, side):
    """Each line's name or its multiple of Longhaul's time, beside its end, apart from each other."""
    height = axes.transAxes.inverted().transform
    ends = sorted((height(axes.transData.transform((size, line[size])))[1], who) for who, line in found.items() if size in line)
    places = spread([end for end, _ in ends], 0.052)
    above_axis = max(0, 0.02 - places[0])
    for place, (_, who) in zip(places, ends):
        ratio = found[who][size] / found["longhaul"][size]
        text = f"{STYLE[who][0]}  " if side == "right" else ""
        text += "1" if who == "longhaul" else f"{ratio:.2f}x" if ratio < 10 else f"{ratio:.0f}x"
        axes.annotate(text, (1.015 if side == "right" else -0.015, place + above_axis), xycoords="axes fraction", color=STYLE[who][1], fontsize=10,
                      ha="left" if side == "right" else "right", va="center", fontweight="bold" if who == "longhaul" else "normal",
                      annotation_clip=False)


def draw_sizes(plot, rows, title):
    found, limit = times(rows)
    figure, axes = plot.subplots(figsize=(10.5, 5.6))
    for who, (_, colour, marker) in STYLE.items():
        if who in found:
            line = dict(sorted(found[who].items()))
            axes.plot(line.keys(), line.values(), color=colour, marker=marker, lw=2.4 if who == "longhaul" else 1.4, ms=6,
                      zorder=3 if who == "longhaul" else 2)
    axes.plot(limit.keys(), limit.values(), color="#555555", ls="--", lw=1.4, zorder=1)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    sizes = list(limit)
    axes.set_xticks(sizes, [size_words(size) for size in sizes], fontsize=9.5)
    axes.minorticks_off()
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
             if min(limit.values()) / 1.5 <= tick <= 1.3 * max(max(line.values()) for line in found.values())]
    axes.set_yticks(ticks, [f"{tick} ms" if tick < 1000 else f"{tick // 1000} s" for tick in ticks])
    axes.tick_params(axis="y", pad=42)
    axes.grid(True, color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    middle = sizes[len(sizes) // 2]
    axes.annotate("L, the physical limit", (middle, limit[middle]), xytext=(8, -16), textcoords="offset points", color="#555555", fontsize=10)
    figure.suptitle(title, x=0.02, ha="left", fontsize=12)
    axes.set_xlabel("fp32 buffer of each rank", labelpad=8)
    figure.subplots_adjust(left=0.125, right=0.8, top=0.86, bottom=0.12)
    figure.canvas.draw()
    label_ends(axes, found, sizes[0], "left")
    label_ends(axes, found, sizes[-1], "right")
    return figure


def draw_matrix(plot, rows, title):
    panels = [*(codec for codec in CODECS if any(row["codec"] == codec for row in rows)), "sockets"]
    rtts, losses = sorted({row["rtt"] for row in rows}, key=parse_ms), sorted({row["loss"] for row in rows}, key=parse_share)
    figure, all_axes = plot.subplots(1, len(panels), figsize=(1.2 + 3.1 * len(panels), 1.4 + 0.72 * len(rtts)), sharey=True, squeeze=False)
    cells = {(row["codec"], *link_of(row)): row for row in rows}
    for axes, panel in zip(all_axes[0], panels):
        values = [[share(cells.get(("none" if panel == "sockets" else panel, rtt, loss)), panel) for loss in losses] for rtt in rtts]
        image = axes.imshow([[float("nan") if v is None else v for v in line] for line in values], cmap="cividis", vmin=0, vmax=1, aspect="auto")
        for y, line in enumerate(values):
            for x, value in enumerate(line):
                axes.text(x, y, "-" if value is None else f"{value:.2f}", ha="center", va="center", fontsize=12,
                          color="black" if value is not None and value > 0.55 else "white" if value is not None else "black")
        axes.set_title("plain sockets, exact" if panel == "sockets" else CODECS[panel], fontsize=11)
        axes.set_xticks(range(len(losses)), ["none" if parse_share(loss) == 0 else f"{100 * parse_share(loss):g} %" for loss in losses])
        axes.set_yticks(range(len(rtts)), [f"{parse_ms(rtt):g} ms" for rtt in rtts])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("packets lost")
    all_axes[0][0].set_ylabel("round trip")
    figure.suptitle(title, x=0.02, ha="left", fontsize=12)
    figure.tight_layout(rect=(0, 0, 0.925, 0.97))
    place = all_axes[0][-1].get_position()
    bar = figure.colorbar(image, cax=figure.add_axes((0.935, place.y0, 0.012, place.height)))
    bar.set_label("share of L")
    bar.outline.set_visible(False)
    return figure


def share(row, panel):
    """Of L that was reached; None where nothing was measured. Over 1: the sockets' yardstick has no barrier before each call."""
    if not row:
        return None
    if panel == "sockets":
        return row["limit_ms"] / row["sockets_ms"] if row.get("sockets_ms") else None
    return row["of_limit"]


def chosen(options, rows):
    """The rows to draw, and the title; raises ValueError where there are none."""
    if options.what == "matrix":
        rows = [row for row in rows if row["size"] == options.size]
        if not rows:
            raise ValueError(f"no row of {size_words(options.size)} in {options.file}: measured with wan_bench.py --matrix? (--size)")
        return rows, f"Share of the physical limit L reached: {size_words(options.size)} all-reduce, {rate_words(rows[0]['rate'])} each way"
    known = sorted({link_of(row) for row in rows}, key=lambda link: (parse_ms(link[0]), parse_share(link[1])))
    rows = [row for row in rows if row["codec"] == "none" and (parse_ms(row["rtt"]), parse_share(row["loss"])) == (options.rtt, options.loss)]
    if not rows:
        raise ValueError(f"no rows of that link in {options.file}: there are (--rtt, --loss) {known}")
    loss = f", {100 * options.loss:g} % loss" if options.loss else ""
    link = f"{options.rtt:g} ms round trip, {rate_words(rows[0]['rate'])} each way{loss}"
    return rows, f"All-reduce over two sites: {link}\nNumbers at the ends: time divided by Longhaul's"


def parse_options(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("sizes", "matrix"))
    parser.add_argument("file", type=Path)
    parser.add_argument("out", type=Path, help=".png, .svg or .pdf")
    for name, default, parse in (("rtt", "15ms", parse_ms), ("loss", "0", parse_share), ("size", "64M", parse_size)):
        parser.add_argument(f"--{name}", default=parse(default), type=parse)
    return parser.parse_args(words)


def main(words):
    options = parse_options(words)
    try:
        import matplotlib
    except ImportError:
        sys.exit("plot_wan.py: matplotlib is missing: scripts/install_deps.sh python3-matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot
    try:
        rows = [row for row in json.loads(options.file.read_text())["results"] if "error" not in row]
        rows, title = chosen(options, rows)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"plot_wan.py: {error}")
    figure = (draw_matrix if options.what == "matrix" else draw_sizes)(pyplot, rows, title)
    figure.savefig(options.out, dpi=150)
    print(f"wrote {options.out}: {len(rows)} rows")


if __name__ == "__main__":
    main(sys.argv[1:])
