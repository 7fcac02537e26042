# SPDX-License-Identifier: Apache-2.0
"""Which text is learned: the licences that every Debian carries, as in ../char_lm/text.cpp. Nothing is downloaded."""
from pathlib import Path

import torch

FOLDER = Path("/usr/share/common-licenses")
# One version of each licence only: their versions share whole paragraphs, which would leak into the held-out part.
NAMES = ("GPL-3", "GFDL-1.3", "LGPL-2.1", "Apache-2.0")
OWN = Path(__file__).resolve().parents[2] / "LICENSE"
SYMBOLS = 96
BLOCK = 1000


def default_files():
    return [FOLDER / name for name in NAMES if (FOLDER / name).is_file()] or [OWN]


def symbols_of(data):
    """0 is the end of a line, 1 a blank, then the printable characters. Indentation, blank lines and runs of blanks are dropped."""
    lines = (" ".join(line.split()) for line in data.replace(b"\f", b" ").decode("latin-1").split("\n"))
    text = "\n".join(line for line in lines if line) + "\n"
    return [0 if c == "\n" else ord(c) - 31 if " " <= c <= "~" else ord("?") - 31 for c in text]


class Corpus:
    """Every tenth block of a thousand characters is held out."""

    def __init__(self, files, context):
        parts = ([], [])
        for file in files:
            symbols = symbols_of(Path(file).read_bytes())
            for i in range(0, len(symbols), BLOCK):
                parts[i // BLOCK % 10 == 9].extend(symbols[i:i + BLOCK])
        self.train, self.held_out = (torch.tensor(part, dtype=torch.long) for part in parts)
        self.context = context
        if len(self.held_out) < 4 * (context + 1):
            raise SystemExit(f"too little text: {len(self.train)} characters to learn; give larger files with --text")

    def batch(self, seed, step, rank, ranks, size):
        """Inputs and targets of one rank at one step: the same for the same arguments, whatever carries the gradients."""
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        starts = torch.randint(len(self.train) - self.context, (ranks, size), generator=generator)[rank]
        return self.windows(self.train, starts)

    def held_out_share(self, rank, ranks):
        """This rank's windows of the held-out text; together they are all of it once."""
        starts = torch.arange(0, len(self.held_out) - self.context, self.context)[rank::ranks]
        return self.windows(self.held_out, starts)

    def windows(self, text, starts):
        index = starts[:, None] + torch.arange(self.context + 1)
        return text[index[:, :-1]], text[index[:, 1:]]
