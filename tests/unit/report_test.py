#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""report.py on small hand-made results and traces (tests/unit/report): what its pages and pictures say, and what it refuses.

Needs matplotlib; without it the exit status is 77 (skipped).
"""
import contextlib
import html
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree
from html.parser import HTMLParser
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks/report.py"
DATA = Path(__file__).resolve().parent / "report"
RESULT, TRACE = DATA / "result.json", DATA / "trace"
sys.path.insert(0, str(SCRIPT.parent))
try:
    import matplotlib.image
except ImportError:
    print("skipped: no matplotlib (apt-get install python3-matplotlib)")
    sys.exit(77)
from reporting import charts, inputs, pipeline, style, words


spec = importlib.util.spec_from_file_location("report_script", SCRIPT)
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)


def report(*arguments):
    """(exit status, text on stderr)"""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        try:
            status = script.main(list(map(str, arguments)))
        except SystemExit as stop:
            status = stop.code
    return status, errors.getvalue()


def run_script(*arguments, **environment):
    """The same as a program of its own."""
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120,
                          env={**os.environ, **environment})


class Page(HTMLParser):
    """What a reader sees: tables as rows of cells, list items, captions, all text; and the ids of bars."""

    def __init__(self, text):
        super().__init__()
        self.source, self.rows, self.items, self.texts, self.tags, self.bars, self.stack = text, [], [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.stack.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "li":
            self.items.append("")
        name = dict(attributes).get("id") or ""
        if re.search(r"-(bar|detail)-", name):
            self.bars.append(name.split("-")[1:4])

    def handle_endtag(self, tag):
        while self.stack and self.stack.pop() != tag:
            pass

    def handle_data(self, data):
        if self.stack and self.stack[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        if self.stack and self.stack[-1] == "li":
            self.items[-1] += data
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(self.texts)


class ReportTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.document = json.loads(RESULT.read_text(encoding="utf-8"))

    def page(self, *arguments):
        out = self.folder / "report.html"
        status, errors = report(*arguments, "-o", out)
        self.assertEqual((status, errors), (0, ""))
        return Page(out.read_text(encoding="utf-8"))

    def changed(self, name="changed.json"):
        """Writes self.document."""
        path = self.folder / name
        path.write_text(json.dumps(self.document), encoding="utf-8")
        return path

    def refused(self, *arguments, says, out="report.html"):
        status, errors = report(*arguments, "-o", self.folder / out)
        self.assertEqual(status, 2, errors)
        self.assertIn(says, errors)
        self.assertNotIn("Traceback", errors)
        self.assertFalse((self.folder / out).exists())


class Contents(ReportTest):
    def test_table_has_the_numbers_of_the_json(self):
        rows = self.page(RESULT).rows
        self.assertEqual(rows[0][:5], ["size", "codec", "type", "op", "time ms"])
        self.assertEqual(len(rows) - 1, len(self.document["results"]))
        for cells, row in zip(rows[1:], self.document["results"]):
            out, inside = row["out_of_place"], row["in_place"]
            self.assertEqual(cells[0], {4096: "4 KiB", 1 << 20: "1 MiB", 64 << 20: "64 MiB"}[row["size"]])
            self.assertEqual(cells[1:4], [row["codec"], "float", "sum"])
            self.assertEqual([float(cell) for cell in cells[4:10]],
                             [round(value, 3) for value in (out["time"] / 1e3, out["time_min"] / 1e3, out["time_p99"] / 1e3, inside["time"] / 1e3,
                                                            row["limit_ms"], row["of_limit"])])
            self.assertEqual(cells[12], "0")

    def test_answers_in_plain_words(self):
        items = self.page(RESULT).items
        self.assertEqual(items, ["64 MiB none: 590 ms, 0.97 of the physical limit", "64 MiB i8: 163 ms, 0.93 of the physical limit",
                                 "at the small end (4 KiB): one-way delay 7.5 ms + 0.4 ms", "every size was verified: no wrong value"])

    def test_facts(self):
        text = self.page(RESULT).text
        for fact in (self.document["cmdline"], "2 sites x 2 ranks", "1 Gbit/s each way, round trip 15 ms (emulated)", "longhaul 0.1.0", "Some CPU",
                     "<wisconsin1>", "8 GiB", "2026-11-24T12:00:00Z", "UCX_TLS=tcp", "20 timed calls"):
            self.assertIn(fact, text)

    def test_page_needs_nothing_else(self):
        page = self.page(RESULT, "--trace", TRACE)
        self.assertEqual({"script", "link", "img", "iframe", "object"} & set(page.tags), set())
        self.assertNotRegex(page.source, r"(src|href)=\"(?!#)|url\((?!#)|@import")
        ids = re.findall(r' id="([^"]*)"', page.source)
        self.assertEqual(len(ids), len(set(ids)))
        for used in re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', page.source):
            self.assertIn(used[0] or used[1], ids)
        for picture in re.findall(r"<svg.*?</svg>", page.source, re.S):
            xml.etree.ElementTree.fromstring(picture)

    def test_every_colour_has_one_for_dark_screens(self):
        page = self.page(RESULT, "--trace", TRACE)
        light, dark = page.source.split("@media (prefers-color-scheme: dark)")[0], page.source.split("@media (prefers-color-scheme: dark)")[1]
        pictures = "".join(re.findall(r"<svg.*?</svg>", page.source, re.S))
        used = set(re.findall(r"var\((--c[0-9a-f]{6})\)", pictures))
        self.assertGreaterEqual(len(used), 8)
        for name in used:
            self.assertIn(f"{name}:", light)
            self.assertIn(f"{name}:", dark)
        self.assertEqual(re.findall(r"(?:fill|stroke): #[0-9a-f]{6}", pictures), [])

    def test_charts_have_units_and_direct_labels(self):
        texts = [html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", self.page(RESULT).source)]
        for text in ("4 KiB", "1 MiB", "64 MiB", "time of a call (ms)", "size of the all-reduce (bytes per rank)", "L / time"):
            self.assertIn(text, texts)
        self.assertEqual((texts.count("none"), texts.count("i8")), (2, 2))

    def test_without_link_no_limit_and_why(self):
        self.document["config"]["link"].update(bits_per_s=None, rtt_ms=None)
        for row in self.document["results"]:
            row.update(limit_ms=None, of_limit=None, link_percent=None)
        page = self.page(self.changed())
        self.assertIn("--link-rtt and --link-rate", page.text)
        self.assertNotIn("Share of the physical limit", page.text)
        self.assertNotIn("wide dashes", page.text)
        self.assertEqual(page.items[:3], ["64 MiB none: 590 ms", "64 MiB i8: 163 ms", "at the small end (4 KiB): 7.9 ms"])
        self.assertEqual(page.rows[1][8:10], ["–", "–"])

    def test_half_a_link_is_said(self):
        self.document["config"]["link"]["bits_per_s"] = None
        self.assertIn("lower than the real limit", self.page(self.changed()).text)

    def test_wrong_values_and_early_end_stand_out(self):
        self.document["results"][1]["in_place"]["nwrong"] = 3
        self.document["results"][1]["notes"] = ["rank 1: 3 wrong"]
        self.document.update(complete=False, error="site <atlanta> lost")
        page = self.page(self.changed())
        self.assertIn("WRONG: 3 values", page.items)
        self.assertIn("the run ended early: site <atlanta> lost", page.items)
        self.assertIn(["rank 1: 3 wrong"], page.rows)
        self.assertEqual(page.source.count('<li class=bad>'), 2)

    def test_unverified_is_said(self):
        self.document["results"][0]["in_place"]["nwrong"] = None
        self.assertIn("the results were not verified (-c 0)", self.page(self.changed()).items)

    def test_several_results(self):
        self.document["results"] = self.document["results"][:3]
        page = self.page(RESULT, self.changed("later.json"))
        self.assertEqual(len(page.rows), 2 + 6 + 3)
        self.assertIn("64 MiB none, result: 590 ms, 0.97 of the physical limit", page.items)
        self.assertIn("64 MiB none, later: 590 ms, 0.97 of the physical limit", page.items)

    def test_one_size_is_a_bar(self):
        self.document["results"] = [row for row in self.document["results"] if row["size"] == 64 << 20]
        page = self.page(self.changed())
        self.assertIn("590 ms, 0.97 of L", page.text)
        self.assertIn("Time of an all-reduce of 64 MiB", page.text)

    def test_png(self):
        out = self.folder / "report.png"
        done = run_script(RESULT, "--trace", TRACE, "-o", out)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        picture = matplotlib.image.imread(out)
        colours = {tuple(pixel) for row in (picture[..., :3] * 255).round().astype(int)[::3] for pixel in row}
        for colour in (*style.LINES[:2], *style.STAGE.values()):
            self.assertIn(tuple(int(colour[i:i + 2], 16) for i in (1, 3, 5)), colours)


class Pipelines(ReportTest):
    def stages(self, page, kind="bar"):
        return sorted((stage, int(chunk)) for found, stage, chunk in page.bars if found == kind)

    def test_last_all_reduce_of_rank_0(self):
        page = self.page(RESULT, "--trace", TRACE)
        self.assertEqual(self.stages(page), sorted((stage, chunk) for stage in pipeline.STAGES for chunk in range(4)))
        self.assertIn("Pipeline of lhAllReduce #7, 1 MiB i8, at rank 0, site wisconsin", page.text)
        self.assertIn("chunk 2, exchange: 17 ms from 3.5 ms on, 256 KiB", page.text)
        self.assertIn("one-way delay 7.5 ms", page.text)
        self.assertIn("limit L 9.74 ms", page.text)  # of the row of that size and codec

    def test_sentence(self):
        text = self.page(RESULT, "--trace", TRACE).text
        # Exchanges end at 8.5, 14.5, 20.5 and 26.5 ms; stages last 2, 4, 58, 1.6 and 2.4 ms of 68.
        self.assertIn("lhAllReduce #7 (1 MiB i8) took 30 ms at rank 0: 8.5 ms until the first contribution was here (one-way delay 7.5 ms), "
                      "18 ms more until the last, 3.5 ms after it; the pipeline was full, and its chunks mostly waited for the link and the other "
                      "sites. Of the chunks' time: collect 3 %, send 6 %, exchange 85 %, combine 2 %, distribute 4 %.", text)

    def test_other_rank_without_a_stage(self):
        page = self.page(RESULT, "--trace", TRACE, "--rank", 1)
        self.assertEqual(self.stages(page), sorted((stage, chunk) for stage in pipeline.STAGES[1:] for chunk in range(4)))
        self.assertNotIn("collect", page.text)

    def test_other_call(self):
        page = self.page(RESULT, "--trace", TRACE, "--call", 3)
        self.assertEqual(self.stages(page), sorted((stage, 0) for stage in pipeline.STAGES))
        self.assertIn("most of it was the wait for the first contribution, which is distance, not rate", page.text)

    def test_merged_file_is_as_good(self):
        events = inputs.read_trace(TRACE)
        merged = self.folder / "merged.json"
        merged.write_text(json.dumps({"traceEvents": events}), encoding="utf-8")
        self.assertEqual(self.page(RESULT, "--trace", merged).bars, self.page(RESULT, "--trace", TRACE).bars)

    def test_files_of_other_machines_beside_the_merged_one(self):
        merged = self.folder / "merged.json"
        merged.write_bytes((DATA / "trace.rank0.json").read_bytes())
        (self.folder / "merged.json.rank1.json").write_bytes((DATA / "trace.rank1.json").read_bytes())
        self.assertIn("at rank 1, site wisconsin", self.page(RESULT, "--trace", merged, "--rank", 1).text)
        self.assertEqual(pipeline.ranks_of(inputs.read_trace(merged)), [0, 1])

    def many(self, chunks):
        events = [{"ph": "X", "cat": "call", "name": "lhAllReduce #1", "pid": 0, "tid": 0, "ts": 0, "dur": 100.0 * chunks + 900,
                   "args": {"call": 1, "bytes": chunks << 19, "codec": "none"}}]
        events += [{"ph": "X", "cat": "chunk", "name": stage, "pid": 0, "tid": 1, "ts": 100.0 * chunk + at, "dur": dur,
                    "args": {"call": 1, "chunk": chunk, "bytes": 1 << 19}}
                   for chunk in range(chunks) for stage, at, dur in (("send", 0, 90.0), ("exchange", 90, 800.0))]
        path = self.folder / "many.json"
        path.write_text(json.dumps({"traceEvents": events}), encoding="utf-8")
        return self.page(RESULT, "--trace", path)

    def test_many_chunks_get_a_detail(self):
        page = self.many(128)
        self.assertEqual(len(self.stages(page)), 256)
        self.assertEqual(self.stages(page, "detail"), sorted((stage, chunk) for stage in ("send", "exchange") for chunk in range(54, 74)))
        self.assertIn("Chunks 54 to 73", page.text)

    def test_more_chunks_than_pixels(self):
        page = self.many(1000)
        self.assertEqual({chunk for _, chunk in self.stages(page)}, set(range(0, 1000, 4)))
        self.assertIn("every 4th chunk", page.text)

    def test_limiting_phase(self):
        def pipe(length, *bars):
            return pipeline.Pipeline(0, "", 1, "lhAllReduce #1", 8, "", length, [pipeline.Bar(*bar, 0) for bar in bars])
        first = ("exchange", 0, 0.0, 5.0)
        for expected, found in (
            ("distance, not rate", pipeline.limited_by(pipe(8, first, ("exchange", 1, 0.0, 7.0)), 4.0)),
            ("began later or was busy", pipeline.limited_by(pipe(8, first, ("exchange", 1, 0.0, 7.0)), 2.0)),
            ("the tail", pipeline.limited_by(pipe(20, first, ("exchange", 1, 0.0, 7.0)))),
            ("waited for the link", pipeline.limited_by(pipe(30, first, ("exchange", 1, 0.0, 29.0)))),
            ("longest in 'collect'", pipeline.limited_by(pipe(30, first, ("collect", 1, 0.0, 28.0), ("exchange", 1, 28.0, 1.0)))),
            ("nothing came", pipeline.limited_by(pipe(8, ("collect", 0, 0.0, 5.0)))),
        ):
            self.assertIn(expected, found)

    def test_a_trace_without_all_reduce_is_no_error(self):
        path = self.folder / "calls.json"
        path.write_text(json.dumps({"traceEvents": [event for event in inputs.read_trace(TRACE) if event.get("cat") != "chunk"]}), encoding="utf-8")
        status, errors = report(RESULT, "--trace", path, "-o", self.folder / "report.html")
        self.assertEqual(status, 0)
        self.assertIn("no all-reduce of rank 0 that moved chunks", errors)


class Refused(ReportTest):
    def test_not_json(self):
        broken = self.folder / "broken.json"
        broken.write_text('{"results": [\n{"size": 4', encoding="utf-8")
        self.refused(broken, says=f"{broken} is not JSON: line 2")
        broken.write_bytes(b"\xff\xfe\x00")
        self.refused(broken, says="not even text")
        self.refused(self.folder / "none.json", says="cannot read")

    def test_not_a_result(self):
        for document, says in (([], "'results' is missing"), ({"results": 3}, "'results' is 3"), ({"results": []}, "has no row"),
                               ({"results": [], "error": "site lost"}, "site lost"), ({"results": [7]}, "row 1: 'out_of_place' is missing")):
            path = self.folder / "other.json"
            path.write_text(json.dumps(document), encoding="utf-8")
            self.refused(path, says=says)

    def test_bad_row(self):
        for change, says in (({"size": "4K"}, "row 2: 'size' is \"4K\""), ({"codec": None}, "row 2: 'codec' is missing"),
                             ({"limit_ms": "x"}, "row 2: 'limit_ms'"), ({"in_place": {}}, "row 2: 'nwrong'")):
            kept = dict(self.document["results"][1])
            self.document["results"][1].update(change)
            if says.endswith("'nwrong'"):
                says = "row 2: 'time' is missing"
            self.refused(self.changed(), says=says)
            self.document["results"][1] = kept

    def test_nothing_to_draw(self):
        for row in self.document["results"]:
            row["size"] = 0
        self.refused(self.changed(), says="no row has a size and a time above 0")

    def test_trace(self):
        self.refused(RESULT, "--trace", self.folder / "none", says="there is neither such a file nor")
        self.refused(RESULT, "--trace", RESULT, says="has no list 'traceEvents'")
        self.refused(RESULT, "--trace", TRACE, "--rank", 9, says="rank 9 is not in the trace: it has 0, 1")
        self.refused(RESULT, "--trace", TRACE, "--call", 8, says="call 8 is no all-reduce with chunks of rank 0: those are 3, 7")

    def test_bad_events(self):
        good = {"ph": "X", "cat": "chunk", "name": "send", "pid": 0, "tid": 1, "ts": 1.0, "dur": 2.0, "args": {"call": 1, "chunk": 0}}
        path = self.folder / "trace.json"
        for change in ({"ts": "now"}, {"dur": -1}, {"dur": None}, {"pid": "0"}, {"args": {"call": 1}}, {"args": None}, {"name": 3}):
            path.write_text(json.dumps({"traceEvents": [good, {**good, **change}]}), encoding="utf-8")
            self.refused(RESULT, "--trace", path, says="event 2 is not one of Longhaul's")

    def test_usage(self):
        self.refused(RESULT, says="must end with .html or .png", out="report.pdf")
        self.refused(RESULT, "--call", 3, says="give --trace")
        self.refused(RESULT, says="cannot write", out="no/folder.html")
        self.assertEqual(report(RESULT)[0], 2)

    def test_no_matplotlib(self):
        (self.folder / "matplotlib.py").write_text("raise ImportError('hidden')\n", encoding="utf-8")
        done = run_script(RESULT, "-o", self.folder / "r.html", PYTHONPATH=str(self.folder))
        self.assertEqual(done.returncode, 3)
        self.assertIn("apt-get install python3-matplotlib", done.stderr)


class Words(unittest.TestCase):
    def test_numbers(self):
        for found, expected in ((words.size_text(8), "8 B"), (words.size_text(1536), "1.5 KiB"), (words.size_text(3 << 30), "3 GiB"),
                                (words.time_text(0.0123), "12.3 µs"), (words.time_text(7.5), "7.5 ms"), (words.time_text(163.4), "163 ms"),
                                (words.time_text(1234), "1.23 s"), (words.time_text(10), "10 ms"), (words.percent_text(0.004), "<1 %"),
                                (words.rate_text(4e8), "400 Mbit/s"), (words.version_text(10203), "1.2.3")):
            self.assertEqual(found, expected)

    def test_labels_do_not_overlap(self):
        for places in ([1.0, 2.0, 3.0], [50.0, 50.0, 50.0, 50.0], [99.0, 98.0, 10.0], [5.0]):
            moved = style.spread(places, 13, 100)
            order = sorted(range(len(places)), key=lambda i: places[i])
            for below, above in zip(order, order[1:]):
                self.assertGreaterEqual(moved[above] - moved[below], 13 - 1e-3)
            self.assertLessEqual(max(moved), 100)

    def test_lines_beyond_the_palette_are_not_drawn_and_said(self):
        run = inputs.read_result(RESULT)
        rows = [row._replace(codec=f"c{i}") for i in range(10) for row in run.rows[:1]]
        lines = charts.lines_of([run._replace(rows=rows)])
        self.assertEqual(sum(line.colour is None for line in lines), 2)
        self.assertIn("2 of 10 lines are not drawn", charts.not_drawn(lines))

    def test_small_end_shorter_than_light(self):
        run = inputs.read_result(RESULT)
        self.assertIn("is the given round trip right?", words.small_answer(run, run.rows[0]._replace(ms=5.0)))


if __name__ == "__main__":
    unittest.main()
