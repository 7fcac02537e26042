# SPDX-License-Identifier: Apache-2.0
"""The study's charts: losses, bytes, step times, and what compression gains on faster links."""
import statistics

# Okabe and Ito's colours, which colour-blind readers can tell apart; line styles say the same once more.
STYLE = {"gloo": ("#000000", "-"), "gloo-bf16": ("#000000", ":"), "none": ("#0072B2", "-"), "lossless": ("#0072B2", ":"), "bf16": ("#56B4E9", "-"),
         "i8": ("#009E73", "-"), "r4": ("#E69F00", "-"), "f4": ("#E69F00", ":"), "r2": ("#D55E00", "-"), "r2+ef": ("#D55E00", ":")}
WORDS = {"gloo": "gloo, flat", "gloo-bf16": "gloo, bf16 hook"}


def name_of(mode):
    return WORDS.get(mode, f"Longhaul {mode}")


def style_of(mode):
    return STYLE.get(mode, ("#CC79A7", "--"))


def of_link(rows, link):
    """{mode: [row of each seed]}, in the order of measuring."""
    found = {}
    for row in rows:
        if row["link"] == link:
            found.setdefault(row["mode"], []).append(row)
    return found


def mean_series(runs):
    """Validation losses, mean over the seeds: (steps, losses, seconds of training until then)."""
    steps = [step for step, _ in runs[0]["validation"]]
    losses = [statistics.mean(values) for values in zip(*([loss for _, loss in row["validation"]] for row in runs))]
    seconds = [statistics.mean(sum(row["seconds"][:step]) for row in runs) for step in steps]
    return steps, losses, seconds


def differences(pairs):
    """Of validation losses, run by run of the same seed; their mean."""
    series = [[mine - others for (_, mine), (_, others) in zip(row["validation"], other["validation"])] for row, other in pairs]
    return [statistics.mean(values) for values in zip(*series)]


def losses(plot, modes, title):
    figure, axes = plot.subplots(1, 3, figsize=(15, 4.6))
    common = set.intersection(*({row["seed"] for row in runs} for runs in modes.values()))
    exact = {row["seed"]: row for row in modes.get("none", [])}
    for mode, runs in modes.items():
        colour, line = style_of(mode)
        steps, values, seconds = mean_series([row for row in runs if row["seed"] in common] or runs)
        pairs = [(row, exact[row["seed"]]) for row in runs if row["seed"] in exact]
        for axis, x, y in ((axes[0], steps, values), (axes[1], steps, differences(pairs)), (axes[2], seconds, values)):
            if y:
                axis.plot(x, y, color=colour, linestyle=line, label=name_of(mode))
    axes[0].set(xlabel="steps", ylabel="validation loss, nats a character")
    axes[1].set(xlabel="steps", ylabel="difference to exact (none) of the same seeds")
    axes[2].set(xlabel="seconds of training", ylabel="validation loss")
    axes[2].legend(fontsize=8, frameon=False)
    figure.suptitle(title)
    return figure


def bars(plot, modes, title):
    figure, axes = plot.subplots(1, 2, figsize=(12, 4.2), sharey=True)
    names = [name_of(mode) for mode in modes]
    place, colours = list(range(len(names))), [style_of(mode)[0] for mode in modes]
    sent = [[statistics.mean(row["sent_bytes"][site] for row in runs) / 1e6 for runs in modes.values()] for site in (0, 1)]
    seconds = [statistics.mean(row["median_s"] for row in runs) for runs in modes.values()]
    axes[0].barh(place, seconds, color=colours)
    for x, y in zip(seconds, place):
        axes[0].text(x, y, f" {x:.2f}", va="center", fontsize=8)
    for site, shift, alpha in ((0, -0.2, 1), (1, 0.2, 0.6)):
        axes[1].barh([y + shift for y in place], sent[site], height=0.38, color=colours, alpha=alpha)
        for x, y in zip(sent[site], place):
            axes[1].text(x, y + shift, f" {x:.2f}", va="center", fontsize=7)
    axes[0].set_yticks(place, names)
    axes[0].invert_yaxis()
    axes[0].set(xlabel="seconds a step (median)")
    axes[1].set(xlabel="MB a step on the wire: site 0 to 1 (dark), 1 to 0 (light)")
    figure.suptitle(title)
    return figure


def crossover(plot, rows, links):
    """Time of a step against the link, each mode as a part of exact Longhaul's: above 1 it costs time."""
    figure, axis = plot.subplots(figsize=(8, 4.8))
    found = {link: of_link(rows, link) for link in links}
    common = [mode for mode in found[links[0]] if all(mode in modes for modes in found.values())]
    reference = "none" if "none" in common else "gloo"

    def seconds(link, mode):
        return statistics.mean(row["median_s"] for row in found[link][mode])

    for mode in common:
        colour, line = style_of(mode)
        parts = [seconds(link, mode) / seconds(link, reference) for link in links]
        axis.plot(links, parts, color=colour, linestyle=line, marker="o", markersize=4, label=name_of(mode))
    axis.set(ylabel=f"time of a step, as a part of {name_of(reference)}", title="What compression gains on faster links", ylim=(0, None))
    axis.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def draw(rows, slow, links, folder):
    """The names of the files, none without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return []
    matplotlib.use("Agg")
    from matplotlib import pyplot
    pyplot.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10})
    modes = of_link(rows, slow)
    title = f"2 sites x 2 ranks, {slow}, {rows[0]['parameters'] / 1e6:.1f} M parameters"
    figures = {"loss.png": losses(pyplot, modes, title), "steps.png": bars(pyplot, modes, title)}
    if len(links) > 1:
        figures["crossover.png"] = crossover(pyplot, rows, links)
    for name, figure in figures.items():
        figure.tight_layout()
        figure.savefig(folder / name, dpi=110)
        pyplot.close(figure)
    return list(figures)
