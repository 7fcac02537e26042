# SPDX-License-Identifier: Apache-2.0
"""Colours and axes that all pictures share. Every colour of a picture is one of COLOURS, so that the page can exchange it where the screen
is dark: see page.py."""
import matplotlib
from matplotlib import ticker

from .words import size_text

INK, MUTED, GRID = "#1f2328", "#57606a", "#d5dae0"
# Okabe and Ito's palette, which people with any colour vision can tell apart; the first three are the codecs of today.
LINES = ("#0072b2", "#d55e00", "#009e73", "#8f5fa8", "#b8860b", "#3a9bd9", "#a3374f", "#5a6472")
DASHES = ("solid", (0, (1.2, 1)), (0, (5, 1.5)), (0, (5, 1.2, 1.2, 1.2)))  # one a run
MARKERS = ("o", "s", "^", "D")
STAGE = {"collect": "#56b4e9", "send": "#e69f00", "exchange": "#c9ced5", "combine": "#008a64", "distribute": "#cc79a7"}
# On a light screen: on a dark one.
COLOURS = {INK: "#e6edf3", MUTED: "#9da7b1", GRID: "#30363d",
           "#0072b2": "#4da3e0", "#d55e00": "#ff8b45", "#009e73": "#2fc79c", "#8f5fa8": "#c79be0", "#b8860b": "#e3b341",
           "#3a9bd9": "#8ccbf5", "#a3374f": "#f08098", "#5a6472": "#aab4bf",
           "#56b4e9": "#56b4e9", "#e69f00": "#e69f00", "#c9ced5": "#4a525c", "#008a64": "#26b08b", "#cc79a7": "#d88fb8"}

SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "longhaul", "font.size": 10, "font.family": "DejaVu Sans", "text.color": INK,
            "axes.labelcolor": INK, "axes.edgecolor": MUTED, "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelcolor": INK,
            "ytick.labelcolor": INK, "grid.color": GRID, "grid.linewidth": 0.7, "axes.titlelocation": "left", "axes.titlesize": 12,
            "axes.titleweight": "bold", "axes.titlepad": 10, "axes.spines.top": False, "axes.spines.right": False,
            "axes.facecolor": "none", "axes.axisbelow": True}


def settings():
    """For a `with` block around all drawing and saving."""
    return matplotlib.rc_context(SETTINGS)


def size_axis(axes, sizes):
    """Logarithmic, with ticks at sizes that were measured, as many as there is room for."""
    axes.set_xscale("log", base=2)
    distinct = sorted(set(sizes))
    low, high = distinct[0], distinct[-1]
    axes.set_xlim(low / 1.6 if low == high else low / (high / low) ** 0.03, high * 1.6 if low == high else high * (high / low) ** 0.03)
    step = -(-len(distinct) // 9)
    shown = distinct[::-1][::step]
    axes.xaxis.set_major_locator(ticker.FixedLocator(shown))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda size, _: size_text(size)))
    axes.set_xlabel("size of the all-reduce (bytes per rank)")


def time_axis(axes, low, high):
    """Milliseconds, logarithmic, plain numbers at 1, 2 and 5 of every decade."""
    axes.set_yscale("log")
    axes.set_ylim(low / 1.35, high * 1.35)
    wide = high / low > 300
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axes.yaxis.set_minor_locator(ticker.NullLocator())
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda ms, _: f"{ms:g}"))
    axes.set_ylabel("time of a call (ms)")


def spread(places, gap, highest):
    """Moves numbers as little as is simple until neighbours are `gap` apart and none is over `highest`; keeps their order."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for _ in range(200):
        close = [(a, b) for a, b in zip(order, order[1:]) if moved[b] - moved[a] < gap - 1e-6]
        for a, b in close:
            middle, half = (moved[a] + moved[b]) / 2, gap / 2
            moved[a], moved[b] = middle - half, middle + half
        if not close:
            break
    for below, i in enumerate(reversed(order)):
        moved[i] = min(moved[i], highest - below * gap)
    return moved


def label_ends(axes, ends):
    """Names beside the right ends of lines, none over another. `ends`: [(text, colour, x, y)]. The limits of the axes must stand."""
    points = 72 / axes.figure.dpi
    places = [axes.transData.transform((x, y))[1] * points for _, _, x, y in ends]
    right, highest = axes.get_xlim()[1], axes.transAxes.transform((0, 1))[1] * points
    for (text, colour, _, y), place, wanted in zip(ends, places, spread(places, 13, highest)):
        axes.annotate(text, xy=(right, y), xytext=(5, wanted - place), textcoords="offset points", color=colour, va="center", fontweight="bold",
                      annotation_clip=False)
