#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether runs of all_reduce_perf gave the same bits: the digests of all verified results in files of its -J.

  all_reduce_perf --device 0 --sites 2 -g 2 --codec all -n 5 -J gpu.json
  all_reduce_perf --sites 2 -g 2 --codec all -n 5 -J host.json
  tools/same_results.py gpu.json host.json

Give all runs the same options: random signs of r4 and r2 depend on how many calls came before. Exit status 1 where a result differs."""
import argparse
import json
import sys


def digests(path):
    with open(path, encoding="utf-8") as file:
        rows = json.load(file)["results"]
    return {(row["size"], row["type"], row["redop"], row["codec"], half): row[half]["digest"] for row in rows for half in ("out_of_place", "in_place")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first")
    parser.add_argument("second")
    arguments = parser.parse_args()
    first, second = digests(arguments.first), digests(arguments.second)
    if not first or None in first.values() or None in second.values():
        sys.exit("same_results: nothing was verified: run without -c 0")
    if first.keys() != second.keys():
        sys.exit("same_results: the files are of different calls")
    different = [key for key in first if first[key] != second[key]]
    for key in different:
        print("different:", *key)
    print(f"{len(first)} results, {len(first) - len(different)} equal")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
