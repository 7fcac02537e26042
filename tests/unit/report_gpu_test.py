#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""report.py on what runs on GPUs add to results and traces. Exit status 77 (skipped): no matplotlib."""
import unittest

from report_test import RESULT, ReportTest, inputs, json, pipeline


class Results(ReportTest):
    def test_flat_nccl_beside_ours(self):
        self.assertNotIn("flat NCCL ms", self.page(RESULT).text)
        row = max(self.document["results"], key=lambda row: row["size"])
        row["flat_nccl"] = {"out_of_place": {"time": 123456.0}, "in_place": {}, "time_ratio": 2.5}
        page = self.page(self.changed())
        self.assertIn("flat NCCL ms", page.rows[0])
        found = [cells for cells in page.rows if cells[-2:] == ["123.456", "2.50"]]
        self.assertEqual(len(found), 1)
        self.assertEqual([cells[-2:] for cells in page.rows[1:]].count(["–", "–"]), len(self.document["results"]) - 1)
        self.assertTrue(any("flat NCCL 123 ms, 2.5 times that" in item for item in page.items), page.items)
        row["flat_nccl"] = {"out_of_place": {"time": 1.0}}
        self.refused(self.changed(), says="'time_ratio' is missing", out="refused.html")

    def test_what_limits(self):
        row = max(self.document["results"], key=lambda row: row["size"])
        row["gpu"] = {"limit": "decode", "limit_share": 0.91}
        self.assertTrue(any("limit: decode, busy 91 % of it" in item for item in self.page(self.changed()).items))
        row["gpu"] = {"limit": "none", "limit_share": 0.2}
        self.assertTrue(any("no GPU stream and no link was busy half of it (most: 20 %)" in item for item in self.page(self.changed()).items))
        row["gpu"] = {"limit": "decode"}
        self.refused(self.changed(), says="'gpu' is", out="refused.html")


class Pipelines(ReportTest):
    def traced(self, spans, chunks=2):
        """A call of 10 ms whose chunks have `spans` on the GPU: [(phase, begin, length)] in ms."""
        events = [{"ph": "X", "cat": "call", "name": "lhAllReduce #1", "pid": 0, "tid": 0, "ts": 0, "dur": 10000, "args": {"call": 1, "bytes": 1 << 20}}]
        for chunk in range(chunks):
            arguments = {"call": 1, "chunk": chunk, "bytes": 1 << 19}
            events.append({"ph": "X", "cat": "chunk", "name": "exchange", "pid": 0, "tid": 1, "ts": 1000, "dur": 8000, "args": arguments})
            events += [{"ph": "X", "cat": "gpu", "name": name, "pid": 0, "tid": 1000, "ts": 1e3 * begin, "dur": 1e3 * length, "args": arguments}
                       for name, begin, length in spans]
        path = self.folder / "gpu.json"
        path.write_text(json.dumps({"traceEvents": events}), encoding="utf-8")
        return path

    def test_gpu_in_picture_and_sentence(self):
        path = self.traced([("reduce-scatter", 0.1, 0.5), ("encode", 0.6, 2.0), ("decode", 5.0, 1.0), ("all-gather", 7.0, 0.25)])
        page = self.page(RESULT, "--trace", path)
        self.assertEqual([bar for bar in page.bars if bar[1] == "gpu"], [["bar", "gpu", str(chunk)] for chunk in (0, 0, 0, 0, 1, 1, 1, 1)])
        self.assertIn("chunk 1, encode on the GPU: 2 ms from 600 µs on", page.text)
        self.assertIn("on the GPU", page.text)
        # Two chunks: 2 x (0.5 + 2) ms of 10 in one stream.
        self.assertIn("On the GPU: reduce-scatter 1 ms, encode 4 ms, decode 2 ms, all-gather 500 µs; the busiest stream (reduce-scatter + encode) "
                      "works 50 % of the call.", page.text)

    def test_nothing_of_gpus_without_them(self):
        self.assertNotIn("on the GPU", self.page(RESULT, "--trace", self.traced([])).text)
        self.assertEqual(pipeline.gpu_sentence(pipeline.pipeline(inputs.read_trace(self.traced([])))), "")


if __name__ == "__main__":
    unittest.main()
