#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What do the codecs make of real gradients, and of a training?

  benchmarks/codec_gradients.py dump FOLDER [--build build/release]      gradients of the demo's model and, where torch is, of a small transformer
  benchmarks/codec_gradients.py errors FOLDER OUT.json [--build ...]     bits, NMSE, bias, largest error of every codec on each of them
  benchmarks/codec_gradients.py train OUT.json [--build ...] [--seeds 1,2,3] [--codecs none,i8,...]   trains, skipping what OUT.json has
  benchmarks/codec_gradients.py table ERRORS.json [TRAINING.json]        Markdown tables
  benchmarks/codec_gradients.py plot ERRORS.json OUT.png                 bits against NMSE (needs matplotlib)

`dump` needs PyTorch for the transformer (pip install torch==2.13.0 numpy); nothing else here does.
"""
import argparse
import array
import collections
import json
import math
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
STEPS = (1, 10, 100, 500)
TEXTS = [Path("/usr/share/common-licenses") / name for name in ("GPL-3", "GFDL-1.3", "LGPL-2.1", "Apache-2.0")]
TRAINED = ("none", "bf16", "i8", "r4", "r4+ef", "f4", "f4+ef", "r2", "r2+ef")


def program(build, name):
    path = Path(build) / "bin" / name
    if not path.exists():
        raise SystemExit(f"codec_gradients: there is no {path}: cmake --build --preset release --target {name}")
    return str(path)


def transformer(torch, symbols, width=192, layers=4, heads=6, context=64):
    """A decoder-only transformer, without dropout; about 1.8 million parameters."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            batch, length, _ = x.shape
            q, k, v = (t.view(batch, length, heads, width // heads).transpose(1, 2) for t in self.qkv(self.norm1(x)).split(width, dim=2))
            mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
            return x + self.down(nn.functional.gelu(self.up(self.norm2(x))))

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.symbol, self.place = nn.Embedding(symbols, width), nn.Embedding(context, width)
            self.blocks = nn.Sequential(*(Block() for _ in range(layers)))
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, symbols, bias=False)

        def forward(self, tokens):
            return self.head(self.norm(self.blocks(self.symbol(tokens) + self.place.weight[: tokens.shape[1]])))

    return Transformer()


def dump_transformer(folder, context=64, batch=16):
    try:
        import torch
    except ImportError:
        print("codec_gradients: no PyTorch, so no transformer: pip install torch==2.13.0 numpy", file=sys.stderr)
        return
    torch.manual_seed(1)
    torch.set_num_threads(2)
    text = b"".join(path.read_bytes() for path in TEXTS)
    alphabet = sorted(set(text))
    data = torch.tensor([alphabet.index(byte) for byte in text])
    model = transformer(torch, len(alphabet), context=context)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for step in range(1, STEPS[-1] + 1):
        starts = torch.randint(len(data) - context - 1, (batch,))
        rows = torch.stack([data[start:start + context + 1] for start in starts])
        loss = torch.nn.functional.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        if step in STEPS:
            flat = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
            flat.numpy().astype("<f4").tofile(folder / f"transformer.step{step}.f32")
            print(f"transformer, step {step}: loss {loss.item():.3f}, {flat.numel()} values")
        optimiser.step()


def dump(arguments):
    folder = Path(arguments.folder)
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([program(arguments.build, "char_lm_codecs"), "--steps", str(STEPS[-1]), "--codecs", "none", "--gradients", str(folder),
                    "--gradient-steps", ",".join(map(str, STEPS))], check=True)
    dump_transformer(folder)


def exponent_entropy(path, chunk=131072):
    """Bits a value that the exponents of raw fp32 values need, taken one by one, each chunk with the best code for it."""
    words = array.array("I", path.read_bytes())
    bits = 0.0
    for begin in range(0, len(words), chunk):
        counts = collections.Counter(word >> 23 & 255 for word in words[begin:begin + chunk])
        total = sum(counts.values())
        bits -= sum(count * math.log2(count / total) for count in counts.values())
    return bits / len(words)


def errors(arguments):
    def order(path):
        model, step, _ = path.name.split(".")
        return model, int(step.removeprefix("step"))

    files = sorted(Path(arguments.folder).glob("*.step*.f32"), key=order)
    if not files:
        raise SystemExit(f"codec_gradients: no *.stepN.f32 in {arguments.folder}: run 'dump' first")
    done = subprocess.run([program(arguments.build, "codec_error"), *map(str, files)], check=True, capture_output=True, text=True)
    measured = json.loads(done.stdout)
    for file, path in zip(measured, files):
        file["exponent_entropy"] = exponent_entropy(path)
    Path(arguments.out).write_text(json.dumps(measured, indent=1) + "\n")


def train(arguments):
    """One training after the other, each written when it is done, so that it can be stopped and goes on where it was."""
    out = Path(arguments.out)
    runs = json.loads(out.read_text()) if out.exists() else []
    begun = time.monotonic()
    for seed in arguments.seeds.split(","):
        for codec in arguments.codecs.split(","):
            if any(run["codec"] == codec and run["seed"] == int(seed) and run["steps"] == arguments.steps for run in runs):
                continue
            done = subprocess.run([program(arguments.build, "char_lm_codecs"), "--steps", str(arguments.steps), "--seed", seed, "--codecs", codec],
                                  check=True, capture_output=True, text=True)
            runs.append(json.loads(done.stdout))
            out.write_text(json.dumps(runs, indent=1) + "\n")
            print(f"{codec}, seed {seed}: held-out loss {runs[-1]['held_out_loss'][0]:.4f}, {runs[-1]['step_seconds']:.3f} s a step", flush=True)
            if time.monotonic() - begun > arguments.seconds:
                return


def models_of(measured):
    models = {}
    for file in measured:
        models.setdefault(file["file"].split(".")[0], []).append(file)
    return models


def error_tables(measured):
    for model, files in models_of(measured).items():
        steps = [file["file"].split(".")[1].removeprefix("step") for file in files]
        print(f"\n### {model}: {files[0]['values']} values, steps {', '.join(steps)}\n")
        print("| codec | bits a value | NMSE | bias | largest error, of the RMS |\n|---|---|---|---|---|")
        for name in [row["codec"] for row in files[0]["rows"]]:
            rows = [next(row for row in file["rows"] if row["codec"] == name) for file in files]
            bits = sorted({f"{row['bits']:.2f}" for row in rows}, key=float)
            bits = bits[0] if len(bits) == 1 else f"{bits[0]} to {bits[-1]}"
            cells = [" / ".join(f"{row[key]:.2g}" for row in rows) for key in ("nmse", "bias", "max_error")]
            print(f"| {name} | {bits} | " + " | ".join(cells) + " |")
        print("\nEntropy of the exponents, bits: " + " / ".join(f"{file['exponent_entropy']:.2f}" for file in files) + ".")


def training_table(runs):
    seeds = sorted({run["seed"] for run in runs})
    print("\n| codec | " + " | ".join(f"seed {seed}" for seed in seeds) + " | mean | difference to `none` of the same seed | wire, of `none` |")
    print("|---|" + "---|" * (len(seeds) + 3))
    by = {(run["codec"], run["seed"]): run for run in runs}
    for codec in dict.fromkeys(run["codec"] for run in runs):
        mine = [by[codec, seed] for seed in seeds if (codec, seed) in by]
        losses = {run["seed"]: run["held_out_loss"][0] for run in mine}
        differences = [losses[seed] - by["none", seed]["held_out_loss"][0] for seed in losses if ("none", seed) in by]
        wire = [run["wire_bytes_per_step"] / by["none", run["seed"]]["wire_bytes_per_step"] for run in mine if ("none", run["seed"]) in by]
        print(f"| `{codec}` | " + " | ".join(f"{losses[seed]:.4f}" if seed in losses else "" for seed in seeds) +
              (f" | {statistics.mean(losses.values()):.4f} | " if len(losses) == len(seeds) else " | | ") + ", ".join(f"{one:+.4f}" for one in differences) + f" | {statistics.mean(wire):.3f} |")


def table(arguments):
    error_tables(json.loads(Path(arguments.errors).read_text()))
    if arguments.training:
        training_table(json.loads(Path(arguments.training).read_text()))


OURS = ("bf16", "i8", "f4", "r4", "r2", "lossless")
# Where the name stands beside its mark, in points.
PLACES = {"f4": (10, 5), "r4": (-9, -14), "int4, scale for 32": (10, -13)}
LEAST = 1e-7  # where what loses nothing stands on a logarithmic axis


def plot(arguments):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker
    models = models_of(json.loads(Path(arguments.errors).read_text()))
    figure, panels = pyplot.subplots(1, len(models), figsize=(6.2 * len(models), 5), sharey=True, layout="constrained", squeeze=False)
    for axes, (model, files) in zip(panels[0], models.items()):
        for name in [row["codec"] for row in files[0]["rows"]]:
            rows = [next(row for row in file["rows"] if row["codec"] == name) for file in files]
            if name == "lossless of bf16":
                continue  # of other input
            bits, nmse = statistics.mean(row["bits"] for row in rows), [max(row["nmse"], LEAST) for row in rows]
            exact = max(nmse) == LEAST
            ours = name in OURS
            colour = "#0072b2" if ours else "#d55e00"
            mark = "v" if exact else "o" if ours else "s"
            axes.plot([bits, bits], [min(nmse), max(nmse)], color=colour, linewidth=2, solid_capstyle="round")
            axes.plot(bits, statistics.geometric_mean(nmse), mark, color=colour, markersize=8)
            offset = PLACES.get(name, (10, -4) if bits < 20 else (-10, -4))
            axes.annotate(f"{name}: no error" if exact else name, (bits, statistics.geometric_mean(nmse)), xytext=offset, textcoords="offset points", ha="left" if offset[0] > 0 else "right",
                          fontweight="bold" if ours else "normal")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xlim(0.4, 40)
        axes.xaxis.set_major_locator(ticker.FixedLocator([0.5, 1, 2, 4, 8, 16, 32]))
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda bits, _: f"{bits:g}"))
        axes.set_xlabel("bits a value")
        axes.set_title(f"{model}: {files[0]['values'] / 1e6:.1f} million gradients", loc="left")
        axes.grid(color="#d5dae0", linewidth=0.7)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0][0].set_ylabel("NMSE: energy of the error / energy of the gradient")
    figure.suptitle("Codecs of Longhaul (blue) and others (orange) on real gradients; bars: steps 1 to 500", x=0.01, ha="left", fontweight="bold")
    figure.savefig(arguments.out, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(required=True)
    for function, names in ((dump, ["folder"]), (errors, ["folder", "out"]), (train, ["out"]), (table, ["errors"]), (plot, ["errors", "out"])):
        action = actions.add_parser(function.__name__)
        action.set_defaults(function=function)
        for name in names:
            action.add_argument(name)
        action.add_argument("--build", default="build/release")
        if function is table:
            action.add_argument("training", nargs="?")
        if function is train:
            action.add_argument("--seeds", default="1,2,3")
            action.add_argument("--codecs", default=",".join(TRAINED))
            action.add_argument("--steps", type=int, default=500)
            action.add_argument("--seconds", type=float, default=1e9, help="begin no training after so long")
    arguments = parser.parse_args()
    arguments.function(arguments)


if __name__ == "__main__":
    main()
