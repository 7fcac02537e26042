# SPDX-License-Identifier: Apache-2.0
"""Numbers as people say them, and what a run found in one line each. Pure."""

SMALL = 64 << 10  # up to here a call is distance and overhead, not transfer


def size_text(size):
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.4g} {name}"
    return f"{size:.0f} B"


def time_text(milliseconds):
    if milliseconds >= 1000:
        return f"{digits(milliseconds / 1000)} s"
    return f"{digits(milliseconds)} ms" if milliseconds >= 1 or milliseconds == 0 else f"{digits(milliseconds * 1000)} µs"


def digits(value):
    """Three significant digits, never an exponent, no zeros that say nothing."""
    return f"{value:.0f}" if value >= 100 else f"{value:.{1 if value >= 10 else 2}f}".rstrip("0").rstrip(".")


def percent_text(share):
    return "<1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def rate_text(bits_per_s):
    return f"{bits_per_s / 1e9:.4g} Gbit/s" if bits_per_s >= 1e9 else f"{bits_per_s / 1e6:.4g} Mbit/s"


def version_text(code):
    return f"{code // 10000}.{code // 100 % 100}.{code % 100}" if isinstance(code, int) else "unknown"


def link_text(run):
    rate = f"{rate_text(run.bits_per_s)} each way" if run.bits_per_s else "rate not known"
    rtt = f"round trip {time_text(run.rtt_ms)}" if run.rtt_ms is not None else "round trip not known"
    emulated = run.json["config"].get("link", {}).get("emulated")
    return f"{rate}, {rtt}{' (emulated)' if emulated and (run.bits_per_s or run.rtt_ms is not None) else ''}"


def shape_text(run):
    """Sites x ranks: "2 sites x 2 ranks", or "2 sites, 3 + 2 ranks" where they differ."""
    sizes = {}
    for device in run.json["config"].get("devices") or []:
        sizes[device.get("site")] = sizes.get(device.get("site"), 0) + 1
    counts = [sizes[site] for site in sorted(sizes, key=str)]
    sites = f"{run.sites} site{'s' if run.sites != 1 else ''}"
    if len(set(counts)) == 1:
        return f"{sites} x {counts[0]} rank{'s' if counts[0] != 1 else ''}"
    return f"{sites}, {' + '.join(map(str, counts)) if counts else run.ranks} ranks"


def why_no_limit(runs):
    """'' where every row has its L."""
    if not any(row.limit_ms is None for run in runs for row in run.rows):
        half = [run for run in runs if not run.bits_per_s or run.rtt_ms is None]
        return "L counts only what was known of the link, so it is lower than the real limit." if half else ""
    if all(run.sites < 2 for run in runs):
        return "The physical limit L is not drawn: with one site nothing crosses a WAN."
    return ("The physical limit L is not drawn: the run did not know its link. Give all_reduce_perf --link-rtt and --link-rate (a real link; "
            "longhaul doctor measures it) or --wan-rtt and --wan-rate (an emulated one).")


def large_answer(label, row):
    share = f", {row.of_limit:.2f} of the physical limit" if row.of_limit is not None else ""
    return f"{size_text(row.size)} {label}: {time_text(row.ms)}{share}{flat_nccl_text(row)}{gpu_limit_text(row)}"


def gpu_limit_text(row):
    if not row.gpu:
        return ""
    busy = percent_text(row.gpu["limit_share"])
    return f"; no GPU stream and no link was busy half of it (most: {busy})" if row.gpu["limit"] == "none" else f"; limit: {row.gpu['limit']}, busy {busy} of it"


def flat_nccl_text(row):
    return f"; flat NCCL {time_text(row.nccl_ms)}, {digits(row.nccl_ratio)} times that" if row.nccl_ratio else ""


def small_answer(run, row):
    where = f"at the small end ({size_text(row.size)})"
    if not run.rtt_ms:
        return f"{where}: {time_text(row.ms)}"
    rest = row.ms - run.rtt_ms / 2
    if rest < 0:
        return f"{where}: {time_text(row.ms)}, less than the one-way delay of {time_text(run.rtt_ms / 2)}: is the given round trip right?"
    return f"{where}: one-way delay {time_text(run.rtt_ms / 2)} + {digits(rest)} ms"


def check_answer(run):
    wrong = [row.wrong for row in run.rows]
    if None in wrong:
        return "the results were not verified (-c 0)"
    return f"WRONG: {sum(wrong)} values" if sum(wrong) else "every size was verified: no wrong value"


def answers(run, lines):
    """One line each: the largest size of every line of the chart, the small end, correctness. `lines`: [(label, rows)]."""
    found = [large_answer(label, max(rows, key=lambda row: row.size)) for label, rows in lines]
    smallest = min(run.rows, key=lambda row: (row.size, row.ms))
    if smallest.size <= SMALL:
        found.append(small_answer(run, smallest))
    found.append(check_answer(run))
    if run.json.get("complete") is False:
        found.append(f"the run ended early: {run.json.get('error', 'nobody said why')}")
    return found
