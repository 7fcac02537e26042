#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden vectors of the codecs, by an implementation of docs/codecs.md of its own: nothing here is taken from kernels/. Prints one
line a vector: codec, pattern, count, bytes of the blob, digest of the blob, digest of the values it decodes to (FNV-1a, 64 bits).

  tests/golden/codecs.py > tests/golden/codecs.txt       # after a change of the format
  tests/golden/codecs.py --check tests/golden/codecs.txt # exit status 1 where the file says something else
"""
import argparse
import math
import struct
import sys

ROTATION = (0x0123456789ABCDEF, 0x1122334455667788, 5)  # key, operation, chunk


# ---- fp32: Python's doubles rounded once more are correctly rounded fp32 for + - * / sqrt ----------------------------------


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def bits(x):
    return struct.unpack("<I", struct.pack("<f", x))[0]


def from_bits(b):
    return struct.unpack("<f", struct.pack("<I", b))[0]


def significant(x, digits, up=False):
    """x > 0 to so many significant bits: nearest, ties to even, or up."""
    mantissa, exponent = math.frexp(x)
    scaled = mantissa * 2**digits
    return math.ldexp(math.ceil(scaled) if up else round(scaled), exponent - digits)


def bf16(x):
    return struct.pack("<H", bits(x) >> 16)


def padded(data):
    return bytes(data) + bytes(-len(data) % 16)


def in_blocks(values, size):
    filled = values + [0.0] * (-len(values) % size)
    return [filled[i : i + size] for i in range(0, len(filled), size)]


SMALLEST = 2.0**-110

# ---- the codecs: each gives (blob, decoded values) ---------------------------------------------------------------------------


def encode_bf16(values):
    rounded = [math.copysign(significant(abs(x), 8), x) if x else x for x in values]
    return padded(b"".join(bf16(x) for x in rounded)), rounded


def encode_i8(values):
    scales, codes, decoded = b"", b"", []
    for block in in_blocks(values, 128):
        largest = max(map(abs, block))
        scale = significant(f32(largest * float.fromhex("0x1.020408p-7")), 8, up=True) if largest >= SMALLEST else 0.0
        inverse = f32(1 / scale) if scale else 0.0
        q = [max(-127, min(127, round(f32(x * inverse)))) for x in block]
        scales += bf16(scale)
        codes += struct.pack("128b", *q)
        decoded += [c * scale for c in q]
    return padded(scales) + codes, decoded[: len(values)]


E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


def e4m3_up(x):
    """(code, value) of the smallest E4M3 number that is at least x > 0."""
    for code in range(1, 127):
        value = (code & 7) * 2.0**-9 if code < 8 else (8 + code % 8) * 2.0 ** (code // 8 - 10)
        if value >= x:
            return code, value
    raise ValueError(x)


def nearest_e2m1(y):
    distances = [abs(level - y) for level in E2M1]
    best = [code for code, d in enumerate(distances) if d == min(distances)]
    return min(best, key=lambda code: code % 2)


def encode_f4(values):
    largest = max(map(abs, values))
    if largest < SMALLEST:
        size = 16 + len(padded(bytes(len(in_blocks(values, 16))))) + len(padded(bytes(8 * len(in_blocks(values, 16)))))
        return bytes(size), [0.0] * len(values)
    k = next(k for k in range(-200, 200) if largest <= 6 * 448 * 2.0**k)
    scales, nibbles, decoded = [], [], []
    for block in in_blocks(values, 16):
        top = max(map(abs, block))
        if top < SMALLEST:
            scales.append(0)
            nibbles += [0] * 16
            decoded += [0.0] * 16
            continue
        code, value = e4m3_up(f32(f32(top * 2.0**-k) * float.fromhex("0x1.555556p-3")))
        scales.append(code)
        step = value * 2.0**k
        inverse = f32(1 / step)
        for x in block:
            level = nearest_e2m1(min(abs(f32(x * inverse)), 6.0))
            negative = math.copysign(1, x) < 0
            nibbles.append(level | (8 if negative else 0))
            decoded.append(math.copysign(E2M1[level] * step, x))
    codes = bytes(a | b << 4 for a, b in zip(nibbles[::2], nibbles[1::2]))
    return padded(bytes([k + 127])) + padded(bytes(scales)) + padded(codes), decoded[: len(values)]


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & 0xFFFFFFFF, (a >> 32) ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def signs(size):
    key, operation, chunk = ROTATION
    out = []
    for quarter in range(size // 128):
        words = philox([quarter, chunk, operation & 0xFFFFFFFF, operation >> 32], [key & 0xFFFFFFFF, key >> 32])
        out += [-1.0 if words[i // 32] >> (i % 32) & 1 else 1.0 for i in range(128)]
    return out


def hadamard(w):
    h = 1
    while h < len(w):
        for i in range(len(w)):
            if not i & h:
                w[i], w[i + h] = f32(w[i] + w[i + h]), f32(w[i] - w[i + h])
        h *= 2
    return w


def tree_sum(terms):
    lanes = terms[:32]
    for i in range(32, len(terms)):
        lanes[i % 32] = f32(lanes[i % 32] + terms[i])
    while len(lanes) > 1:
        half = len(lanes) // 2
        lanes = [f32(a + b) for a, b in zip(lanes[:half], lanes[half:])]
    return lanes[0]


def twelve_bits(x):
    """Magnitude to 12 significant bits, halves away from zero."""
    if x == 0:
        return 0.0
    mantissa, exponent = math.frexp(abs(x))
    value = math.ldexp(math.floor(mantissa * 4096 + 0.5), exponent - 12)
    return value if value >= 2.0**-40 else 0.0


def encode_rotated(values, block_size, code_bits, levels):
    levels = [float.fromhex(x) for x in levels]
    middles = [(a + b) / 2 for a, b in zip(levels, levels[1:])]
    root = math.isqrt(block_size)
    flips, scales, codes, decoded = signs(block_size), b"", [], []
    for block in in_blocks(values, block_size):
        largest = max(map(abs, block))
        if largest < SMALLEST:
            scales += bytes(2)
            codes += [0] * block_size
            decoded += [0.0 * flip for flip in flips]
            continue
        exponent = math.frexp(largest)[1] - 1
        scaled = [x * 2.0**-exponent for x in block]
        scaled = [x if abs(x) >= 2.0**-126 and abs(x) * 2.0**exponent >= 2.0**-126 else 0.0 for x in scaled]
        w = hadamard([x * flip for x, flip in zip(scaled, flips)])
        m = [twelve_bits(x) for x in w]
        energy = tree_sum([x * x for x in m])
        inverse = f32(root / f32(math.sqrt(energy)))
        picked = [sum(f32(x * inverse) > t for t in middles) for x in m]
        product = tree_sum([x * levels[p] for x, p in zip(m, picked)])
        scale = significant(f32(energy / product), 8) * 2.0**exponent / root
        scales += bf16(scale)
        codes += [p | (len(levels) if math.copysign(1, x) < 0 else 0) for x, p in zip(w, picked)]
        rotated = [math.copysign(levels[p] * scale, x) for x, p in zip(w, picked)]
        decoded += [f32(x / root) * flip for x, flip in zip(hadamard(rotated), flips)]
    per_byte = 8 // code_bits
    packed = bytes(sum(c << (code_bits * i) for i, c in enumerate(codes[j : j + per_byte])) for j in range(0, len(codes), per_byte))
    return padded(scales) + packed, decoded[: len(values)]


def encode_r4(values):
    return encode_rotated(values, 256, 4, ("0x1.06p-3", "0x1.8ep-2", "0x1.5p-1", "0x1.e2p-1", "0x1.42p0", "0x1.9ep0", "0x1.08p1", "0x1.5ep1"))


def encode_r2(values):
    return encode_rotated(values, 1024, 2, ("0x1.dp-2", "0x1.82p0"))


def encode_lossless(values):
    raw_bits = [bits(x) for x in values]
    width = 4 if any(b & 0xFFFF for b in raw_bits) else 2
    raw = bytes([0, width]) + bytes(14) + padded(b"".join(struct.pack("<I", b)[4 - width :] for b in raw_bits))
    exponents = [b >> 23 & 255 for b in raw_bits]
    inside = {base: sum(base <= e < base + 14 for e in exponents) for base in range(1, 242)}
    base = min(b for b in inside if inside[b] == max(inside.values()))
    symbols = [0 if e == 0 else e - base + 1 if base <= e < base + 14 else 15 for e in exponents]
    counts = [symbols.count(s) for s in range(16)]
    frequency = [1 + c * 4080 // len(values) for c in counts]
    frequency[counts.index(max(counts))] += 4096 - sum(frequency)
    start = [sum(frequency[:s]) for s in range(16)]
    states, words = [2**15] * 32, []
    for i in reversed(range(len(values))):
        s, x = symbols[i], states[i % 32]
        if x >= frequency[s] << 19:
            words.append(x & 0xFFFF)
            x >>= 16
        states[i % 32] = (x // frequency[s] << 12) + x % frequency[s] + start[s]
    escaped = bytes(e for e, s in zip(exponents, symbols) if s == 15)
    blob = struct.pack("<BBBBIII16H32I", 1, width, base, 0, len(escaped), len(words), 0, *frequency, *states)
    blob += padded(bytes(b >> 31 << 7 | b >> 16 & 127 for b in raw_bits))
    if width == 4:
        blob += padded(b"".join(struct.pack("<H", b & 0xFFFF) for b in raw_bits))
    blob += padded(escaped) + padded(b"".join(struct.pack("<H", word) for word in reversed(words)))
    return (blob if len(blob) < len(raw) else raw), values


CODECS = {"bf16": encode_bf16, "i8": encode_i8, "r4": encode_r4, "f4": encode_f4, "r2": encode_r2, "lossless": encode_lossless}

# ---- the patterns: integers until the last step, so that every language can make them ------------------------------------------


def mixed(i):
    x = (i * 2654435761 + 12345) & 0xFFFFFFFF
    x = ((x ^ x >> 16) * 0x45D9F3B) & 0xFFFFFFFF
    return x ^ x >> 16


def steps(i):
    return ((i * i * 37 + i * 11) % 2003 - 1001) * 2.0**-7 * (1 + i // 128)


def spread(i):
    return from_bits((mixed(i) & 0x807FFFFF) | (127 - mixed(i + 1000000) % 24) << 23)


PATTERNS = {
    "steps": steps,  # magnitude grows with the block
    "spread": spread,  # 24 exponents, all mantissas
    "sparse": lambda i: spread(i) if mixed(i + 7) % 8 == 0 else 0.0,
    "short": lambda i: from_bits(bits(spread(i)) & 0xFFFF0000),  # bf16 values
    "narrow": lambda i: from_bits((mixed(i) & 0x807FFFFF) | (127 - (mixed(i + 3) & 7).bit_length()) << 23),
    "small": lambda i: spread(i) * 2.0**-100,  # about the magnitude from which blocks vanish
    "large": lambda i: spread(i) * 2.0**108,
    # The first scale of r4 is at the border to the next: sums in another order, which differ in the last bit, give another.
    "border": lambda i: PATTERNS["narrow"](i) * float.fromhex("0x1.02f83ep0"),
}
COUNTS = (1, 130, 1000, 2500)


def fnv(data):
    digest = 0xCBF29CE484222325
    for byte in data:
        digest = ((digest ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return digest


def lines():
    for name, encode in CODECS.items():
        for pattern, value in PATTERNS.items():
            for count in COUNTS:
                blob, decoded = encode([f32(value(i)) for i in range(count)])
                values = struct.pack(f"<{count}f", *decoded)
                yield f"{name} {pattern} {count} {len(blob)} {fnv(blob):016x} {fnv(values):016x}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", metavar="FILE", help="compare with this file instead of printing")
    options = parser.parse_args()
    text = "".join(line + "\n" for line in lines())
    if not options.check:
        sys.stdout.write(text)
        return 0
    with open(options.check, encoding="utf-8") as file:
        if file.read() == text:
            return 0
    print(f"{options.check} differs from what this script computes: write it again with {sys.argv[0]} > {options.check}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
