# SPDX-License-Identifier: Apache-2.0
"""Codecs of Python functions: what they carry, what they refuse, what they do wrong."""
import array
import contextlib
import io
import struct
import unittest

import support

import longhaul

BOUNDS = dict(format=1, block_values=1, block_bytes=2)


def halves(values, seed):
    return struct.pack(f"<{len(values)}e", *values)


def add_halves(blob, total):
    if len(blob) != 2 * len(total):
        raise ValueError(f"{len(blob)} bytes for {len(total)} values")
    for i, (value,) in enumerate(struct.iter_unpack("<e", blob)):
        total[i] += value


class Plugin(unittest.TestCase):
    def reduce(self, encode, decode_add, value, **options):
        """Sums of both ranks and what was printed; or raises."""
        said = io.StringIO()
        with longhaul.loopback([1, 1]) as ranks, contextlib.redirect_stderr(said):
            numbers = [comm.register_codec("py-half", encode, decode_add, **{**BOUNDS, **options}) for comm in ranks]
            self.assertEqual(numbers, [64, 64])
            buffers = [array.array("f", [value * (comm.rank + 1)] * 5000) for comm in ranks]
            results = support.in_threads(lambda rank: ranks[rank].all_reduce(buffers[rank], codec=numbers[rank]), (0,), (1,))
        return [set(buffer) for buffer in buffers], [type(result).__name__ for result in results], said.getvalue()

    def test_it_carries_what_python_made_of_it(self):
        coded = struct.unpack("<e", struct.pack("<e", 0.1))[0] + struct.unpack("<e", struct.pack("<e", 0.2))[0]
        sums, _, said = self.reduce(halves, add_halves, 0.1)
        self.assertEqual(sums, [set(array.array("f", [coded]))] * 2)
        self.assertEqual(said, "")

    def test_what_it_refuses_travels_as_bf16(self):
        sums, _, _ = self.reduce(lambda values, seed: None, add_halves, 1.00390625)  # halfway between two bf16: the even one, 1.0; twice it: 2.0
        self.assertEqual(sums, [{3.0}] * 2)

    def test_what_it_does_wrong_ends_the_call(self):
        def broken(*_):
            raise KeyError("of this codec")
        for encode, decode_add, text in ((broken, add_halves, "KeyError: 'of this codec'"), (halves, broken, "KeyError: 'of this codec'"),
                                         (lambda values, seed: bytes(2 * len(values) + 1), add_halves, "declared at most")):
            _, results, said = self.reduce(encode, decode_add, 0.5)
            self.assertTrue(set(results) <= {"Error", "RemoteError"} and "Error" in results, results)
            self.assertIn(text, said)

    def test_declarations_are_checked(self):
        with longhaul.loopback([1, 1]) as ranks:
            for name, options, text in (("i8", {}, "i8"), ("py-half", {"block_values": 3}, "power of two")):
                with self.assertRaisesRegex(longhaul.Error, text):
                    ranks[0].register_codec(name, halves, add_halves, **{**BOUNDS, **options})
            with self.assertRaisesRegex(ValueError, "blockBytes is -1"):
                ranks[0].register_codec("py-half", halves, add_halves, format=1, block_bytes=-1)
            with self.assertRaisesRegex(longhaul.Error, "70"):
                ranks[0].all_reduce(array.array("f", [1.0]), codec=70)


if __name__ == "__main__":
    unittest.main()
