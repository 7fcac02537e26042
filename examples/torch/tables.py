# SPDX-License-Identifier: Apache-2.0
"""The study's rows as a Markdown table and charts. matplotlib is needed for the charts only."""
import statistics
from pathlib import Path

import charts
from charts import of_link

SLOW = "100 Mbit/s, 20 ms"


def final(rows):
    return [row["validation"][-1][1] for row in rows]


def spread(values):
    return max(values) - min(values)


def largest_difference(rows, exact):
    """Of the losses of all steps and validations, between runs of one seed."""
    of_seed = {row["seed"]: row for row in exact}
    pairs = [(all_losses(row), all_losses(of_seed[row["seed"]])) for row in rows if row["seed"] in of_seed]
    return max((abs(a - b) for mine, others in pairs for a, b in zip(mine, others)), default=float("nan"))


def against(runs, modes):
    """Mean difference of the final validation loss to exact runs of the same seeds."""
    exact = {row["seed"]: row["validation"][-1][1] for row in modes.get("none", [])}
    found = [row["validation"][-1][1] - exact[row["seed"]] for row in runs if row["seed"] in exact]
    return f"{statistics.mean(found):+.4f}" if found else "-"


def all_losses(row):
    return row["losses"] + [loss for _, loss in row["validation"]]


def directions(rows):
    return [statistics.mean(row["sent_bytes"][site] for row in rows) / 1e6 for site in (0, 1)]


def late(rows):
    return max(row["whole"]["late"] for row in rows)


def table(rows, link):
    modes = of_link(rows, link)
    base = statistics.mean(row["median_s"] for row in modes["gloo"]) if "gloo" in modes else float("nan")
    lines = ["| mode | seeds | steps | validation loss: mean (spread of seeds) | minus `none`, same seeds | "
             "largest difference of any loss to `none` | s a step | of gloo | MB a step, site 0 to 1 | 1 to 0 | replica checks | emulator late |",
             "|---|" + "---|" * 11]
    for mode, runs in modes.items():
        losses, seconds, sent = final(runs), statistics.mean(row["median_s"] for row in runs), directions(runs)
        difference = f"{largest_difference(runs, modes['none']):.1e}" if "none" in modes and mode != "none" else "-"
        cells = [f"`{mode}`", len(runs), runs[0]["steps"], f"{statistics.mean(losses):.4f} ({spread(losses):.4f})", against(runs, modes), difference,
                 f"{seconds:.3f}", f"{seconds / base:.2f}", f"{sent[0]:.2f}", f"{sent[1]:.2f}", f"{sum(row['checks'] for row in runs)}, all equal",
                 f"{late(runs):.2%}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def crossover(rows, links):
    modes = [mode for mode in of_link(rows, SLOW) if all(mode in of_link(rows, link) for link in links)]
    lines = ["| mode | " + " | ".join(links) + " |", "|---|" + "---|" * len(links)]
    for mode in modes:
        cells = [f"{statistics.mean(row['median_s'] for row in of_link(rows, link)[mode]):.3f}" for link in links]
        lines.append(f"| `{mode}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def verdicts(rows):
    """One line for each bar, met or not."""
    modes = of_link(rows, SLOW)
    seconds = {mode: statistics.mean(row["median_s"] for row in runs) for mode, runs in modes.items()}
    lines = []

    def bar(text, value, limit, form):
        lines.append(f"* {text}: {value:{form}}, bar {limit:{form}}: {'met' if value <= limit else '**not met**'}")

    if "none" in modes and "gloo" in modes:
        bar("`none` beside flat gloo, largest difference of any loss", largest_difference(modes["none"], modes["gloo"]), 1e-5, ".1e")
    if "lossless" in modes and "none" in modes:
        bar("`lossless` beside `none`, largest difference of any loss", largest_difference(modes["lossless"], modes["none"]), 0, ".1e")
    if "i8" in modes and len(modes.get("none", [])) > 1:  # one seed has no spread
        exact = {row["seed"]: row["validation"][-1][1] for row in modes["none"]}
        worst = max((abs(row["validation"][-1][1] - exact[row["seed"]]) for row in modes["i8"] if row["seed"] in exact), default=float("nan"))
        bar("`i8`, final validation loss beside `none` of the same seed; the bar is the spread of `none` over seeds", worst,
            spread(final(modes["none"])), ".4f")
    for mode, limit in (("i8", 0.5), ("r4", 0.4)):
        if mode in modes and "gloo" in modes:
            bar(f"`{mode}`, step time as a part of flat gloo's", seconds[mode] / seconds["gloo"], limit, ".2f")
    return "\n".join(lines)


def write(rows, folder):
    if not rows:
        raise SystemExit(f"there are no results in {folder}: measure first")
    links = list(dict.fromkeys(row["link"] for row in rows))
    first = rows[0]
    parts = [f"{first['parameters']} parameters, {first['learned']} characters to learn, torch {first['torch']}",
             f"## {SLOW}", table(rows, SLOW), "## Bars", verdicts(rows)]
    if len(links) > 1:
        parts += ["## Seconds a step on other links", crossover(rows, links)]
    text = "\n\n".join(parts) + "\n"
    (Path(folder) / "table.md").write_text(text)
    print(text)
    drawn = charts.draw(rows, SLOW, links, Path(folder))
    print(f"{folder}/table.md" + (f", {', '.join(drawn)}" if drawn else "; no charts: matplotlib is not installed"))
