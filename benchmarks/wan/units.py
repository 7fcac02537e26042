# SPDX-License-Identifier: Apache-2.0
"""Sizes and times as people write them."""
import re

BINARY = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def parse_size(text):
    """Bytes of one buffer of fp32: "8", "4K", "64M"."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text.strip().upper())
    size = int(match[1]) * BINARY[match[2]] if match else 0
    if size <= 0 or size % 4:
        raise ValueError(f"'{text}' is no size: bytes, a positive multiple of 4, with K, M or G for powers of 1024")
    return size


def size_text(size):
    for unit in "GMK":
        if size % BINARY[unit] == 0:
            return f"{size // BINARY[unit]}{unit}"
    return str(size)


def parse_ms(text):
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(us|ms|s)", text.strip())
    if not match:
        raise ValueError(f"'{text}' is no time: a number with us, ms or s")
    return float(match[1]) * MILLISECONDS[match[2]]


def parse_share(text):
    """A share of packets: "0", "0.001", "1e-3"."""
    try:
        share = float(text)
    except ValueError:
        share = -1
    if not 0 <= share < 1:
        raise ValueError(f"'{text}' is no share of packets: a number from 0 to below 1")
    return share


def parse_list(text, parse):
    return [parse(one) for one in text.split(",")]
