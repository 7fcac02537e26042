# SPDX-License-Identifier: Apache-2.0
"""One HTML file that needs nothing else: facts, answers, pictures as inline SVG, a table. No script, no network."""
import html
import io

from .charts import chart_kinds, not_drawn
from .figures import chart_figure, pipeline_figure
from .pipeline import sentence
from .style import COLOURS
from .words import answers, link_text, shape_text, size_text, time_text, version_text, why_no_limit

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --line: #d5dae0; %(light)s }
@media (prefers-color-scheme: dark) { :root { --paper: #0d1117; --line: #30363d; %(dark)s } }
body { background: var(--paper); color: var(--c1f2328); font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; margin: 2rem auto; max-width: 66rem;
  padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem }
ul.answers { font-size: 1.1rem; padding-left: 1.2rem } .bad { color: var(--ca3374f); font-weight: bold }
figure { margin: 1.5rem 0 } figure svg { max-width: 100%%; height: auto } figcaption, .note { color: var(--c57606a) }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem } dt { color: var(--c57606a) } dd { margin: 0; overflow-wrap: anywhere }
.pair { display: flex; flex-wrap: wrap; gap: 0 1rem } .wide { overflow-x: auto } .wide svg { min-width: 46rem } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem }
th, td { padding: .2rem .55rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap } .word { text-align: left }
code { font-family: "DejaVu Sans Mono", monospace; font-size: .85rem }
@media print { body { margin: 0; max-width: none } figure { break-inside: avoid } }
"""
HEADINGS = ("size", "codec", "type", "op", "time ms", "fastest ms", "p99 ms", "in place ms", "L ms", "L / time", "ratio", "link %", "wrong")
NCCL_HEADINGS = ("flat NCCL ms", "NCCL / ours")


def style():
    light = " ".join(f"--c{colour[1:]}: {colour};" for colour in COLOURS)
    dark = " ".join(f"--c{colour[1:]}: {other};" for colour, other in COLOURS.items())
    return STYLE % {"light": light, "dark": dark}


def escape(value):
    return html.escape(str(value))


def svg(figure, number, alt, notes=None):
    """Inline: own ids (several pictures share one page), colours of the page, a title on every bar."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg"):]
    for colour in COLOURS:
        text = text.replace(colour, f"var(--c{colour[1:]})")
    for name, note in (notes or {}).items():
        text = text.replace(f'<g id="{name}">', f'<g id="{name}"><title>{escape(note)}</title>', 1)
    for mark in (' id="', "url(#", 'href="#'):
        text = text.replace(mark, f"{mark}c{number}-")
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1)


def facts(run):
    document, config, machine = run.json, run.json["config"], run.json.get("machine") or {}
    rows = [("command", f"<code>{escape(document.get('cmdline', 'not known'))}</code>"),
            ("ranks", escape(f"{shape_text(run)}, {config.get('mode', '')}")), ("link", escape(link_text(run)))]
    if config.get("wan"):
        rows.append(("wan", f"<code>{escape(config['wan'])}</code>"))
    cpu = [str(machine[key]) for key in ("hostname", "cpu") if machine.get(key)]
    cpu += [f"{machine['cores']} cores"] if machine.get("cores") else []
    cpu += [size_text(machine["memory_bytes"])] if machine.get("memory_bytes") else []
    rows.append(("machine", escape(", ".join(cpu) or "not known")))
    system = [str(machine[key]) for key in ("kernel", "architecture") if machine.get(key)]
    system += [f"TCP {machine['tcp_congestion_control']}"] if machine.get("tcp_congestion_control") else []
    rows += [("system", escape(", ".join(system)))] if system else []
    version = f"longhaul {version_text(document.get('longhaul_version'))}"
    rows.append(("version", escape(f"{version}, compiler {machine['compiler']}" if machine.get("compiler") else version)))
    rows += [("measured", escape(machine["time"]))] if machine.get("time") else []
    rows.append(("calls", escape(f"{config.get('iterations', '?')} timed calls of each size after {config.get('warmup_iterations', '?')} to warm up")))
    rows += [("environment", f"<code>{escape(' '.join(document['env']))}</code>")] if document.get("env") else []
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows) + "</dl>"


def cell(value, form):
    return "–" if value is None else format(value, form)


def table(run):
    with_nccl = any(row.nccl_ms is not None for row in run.rows)
    names = HEADINGS + (NCCL_HEADINGS if with_nccl else ())
    head = "".join(f'<th{" class=word" if 1 <= i <= 3 else ""}>{name}</th>' for i, name in enumerate(names))
    lines = []
    for row in run.rows:
        cells = [size_text(row.size), row.codec, row.type, row.op, cell(row.ms, ".3f"), cell(row.min_ms, ".3f"), cell(row.p99_ms, ".3f"),
                 cell(row.in_place_ms, ".3f"), cell(row.limit_ms, ".3f"), cell(row.of_limit, ".3f"), cell(row.ratio, ".3f"),
                 cell(row.link_percent, ".1f"), cell(row.wrong, ".0f")]
        cells += [cell(row.nccl_ms, ".3f"), cell(row.nccl_ratio, ".2f")] if with_nccl else []
        lines.append("<tr>" + "".join(f'<td{" class=word" if 1 <= i <= 3 else ""}>{escape(text)}</td>' for i, text in enumerate(cells)) + "</tr>")
        lines += [f'<tr><td colspan="{len(cells)}" class="word bad">{escape(note)}</td></tr>' for note in row.notes]
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def charts(runs, lines):
    pictures = "".join(f"<figure>{svg(chart_figure(draw, lines), number, draw.__doc__)}</figure>" for number, draw in enumerate(chart_kinds(lines)))
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in (not_drawn(lines), why_no_limit(runs)) if note)
    return f'<div class="pair">{pictures}</div>{notes}'


def pipeline_part(pipe, one_way_ms, limit_ms):
    if not pipe:
        return ('<p class="note">No picture of the pipeline: there was no trace of an all-reduce that moved data. all_reduce_perf --report and --trace '
                "write one; report.py takes it with --trace.</p>")
    figure, notes = pipeline_figure(pipe, one_way_ms, limit_ms)
    text = escape(sentence(pipe, one_way_ms))
    picture = svg(figure, "call", f"pipeline of {pipe.name}", notes)
    return f'<figure><div class="wide">{picture}</div><figcaption>{text}</figcaption></figure>'


def one_run(run, lines, several):
    found = answers(run, [(line.label, line.rows) for line in lines if line.run is run])
    items = "".join(f'<li{" class=bad" if answer.startswith(("WRONG", "the run ended")) else ""}>{escape(answer)}</li>' for answer in found)
    return (f"<h2>{escape(run.path)}</h2>" if several else "") + f'<ul class="answers">{items}</ul>{facts(run)}'


def page(runs, lines, pipe=None, one_way_ms=None, limit_ms=None):
    several = len(runs) > 1
    what = f"{len(runs)} runs" if several else f"{shape_text(runs[0])}, {link_text(runs[0])}"
    parts = ["".join(one_run(run, lines, several) for run in runs), charts(runs, lines), "<h2>Where one call's time went</h2>",
             pipeline_part(pipe, one_way_ms, limit_ms), "<h2>All rows</h2>",
             "".join((f"<h3>{escape(run.path)}</h3>" if several else "") + table(run) for run in runs),
             '<p class="note">Times are medians of out-of-place calls unless they say otherwise. L = payload bytes after the codec / (0.95 x rate) + '
             "half a round trip: the time of a perfect program on that link. ratio: size / bytes on the WAN.</p>"]
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>Longhaul all-reduce: {escape(what)}</title><style>{style()}</style></head>\n<body><h1>Longhaul all-reduce</h1>\n" + "\n".join(parts) + "\n</body></html>\n")
