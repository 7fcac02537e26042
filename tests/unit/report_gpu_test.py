#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""report.py on what runs on GPUs add to results and traces. Exit status 77 (skipped): no matplotlib."""
import unittest

from report_test import RESULT, ReportTest


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


if __name__ == "__main__":
    unittest.main()
