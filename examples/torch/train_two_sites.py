#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One rank of a character GPT that is trained at two sites.

  LONGHAUL_CONFIG=job.toml LONGHAUL_SITE=atlanta torchrun --nproc-per-node 2 train_two_sites.py --mode i8     at each site
  torchrun --nnodes 2 ... train_two_sites.py --mode gloo                                                      one job over both sites

The first rank of every site prints JSON lines: {"event": "start" | "step" | "validation" | "replicas" | "end", ...}. Every mode sees the same
parameters at the start and the same text in the same order. study.py runs all modes over an emulated WAN.
"""
import argparse
import json
import os
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.append(str(Path(__file__).resolve().parents[2] / "python"))  # where longhaul is not installed: that of this checkout
import torch
import torch.distributed as dist

import modes
import text
from model import Gpt


def parse_options(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=modes.MODES, default="none", help="gloo: one process group over both sites; else Longhaul's codec")
    parser.add_argument("--fsdp", action="store_true", help="FSDP2 inside the site in place of DistributedDataParallel")
    for name, default in (("steps", 100), ("seed", 0), ("batch", 4), ("context", 64), ("width", 128), ("layers", 6), ("heads", 4),
                          ("eval-every", 20), ("verify-every", 50), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rate", type=float, default=1.7e-3, help="of learning, reached after 10 steps")
    parser.add_argument("--bucket-mb", type=float, default=2.5, help="of DistributedDataParallel")
    parser.add_argument("--device", default="wan0", help="network device whose bytes are counted")
    parser.add_argument("--text", nargs="+", default=text.default_files())
    return parser.parse_args(words)


def device_bytes(device):
    """(sent, received) by this machine's device so far, of all its processes; zeros where there is no such device."""
    for line in Path("/proc/self/net/dev").read_text().splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == device:
            values = numbers.split()
            return int(values[8]), int(values[0])
    return 0, 0


def say(event, **what):
    if dist.get_rank() == 0 or os.environ.get("LOCAL_RANK") == "0":
        print(json.dumps({"event": event, **what}), flush=True)


class Run:
    def __init__(self, options):
        self.options, self.carrier = options, modes.make(options.mode, options.bucket_mb, options.fsdp)
        self.corpus = text.Corpus(options.text, options.context)
        torch.manual_seed(options.seed)
        self.plain = Gpt(text.SYMBOLS, options.context, options.width, options.layers, options.heads)
        parameters = sum(parameter.numel() for parameter in self.plain.parameters())
        self.net = self.carrier.wrap(self.plain)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=options.rate, betas=(0.9, 0.95), weight_decay=0.01)
        self.warm_up = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: min(1, (step + 1) / 10))
        self.losses = torch.zeros(options.steps, dtype=torch.float64)
        say("start", rank=self.carrier.rank, ranks=self.carrier.size, parameters=parameters, learned=len(self.corpus.train),
            held_out=len(self.corpus.held_out), torch=torch.__version__, options={k: v for k, v in vars(options).items() if k != "text"})

    def step(self, step):
        before, begin = device_bytes(self.options.device), time.perf_counter()
        loss = self.net(*self.corpus.batch(self.options.seed, step, self.carrier.rank, self.carrier.size, self.options.batch))
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.warm_up.step()
        seconds, after = time.perf_counter() - begin, device_bytes(self.options.device)
        self.losses[step] = loss.item()
        say("step", step=step + 1, seconds=seconds, sent=after[0] - before[0], received=after[1] - before[1])

    def validate(self, step):
        inputs, targets = self.corpus.held_out_share(self.carrier.rank, self.carrier.size)
        with torch.no_grad():
            loss = self.plain(inputs, targets).double() * targets.numel()
        values = torch.stack([loss, torch.tensor(float(targets.numel()), dtype=torch.float64)])
        self.carrier.sum(values)
        say("validation", step=step, loss=(values[0] / values[1]).item())

    def verify(self, step):
        self.carrier.verify(self.plain)
        say("replicas", step=step, equal=True)

    def train(self):
        options = self.options
        self.verify(0)  # sites start by themselves: nothing else makes their first parameters equal
        self.validate(0)
        for step in range(options.steps):
            self.step(step)
            done = step + 1
            if done % options.eval_every == 0 or done == options.steps:
                self.validate(done)
            if done % options.verify_every == 0 or done == options.steps:
                self.verify(done)
        self.carrier.sum(self.losses)
        say("end", losses=(self.losses / self.carrier.size).tolist())
        self.carrier.close()


def main(words):
    options = parse_options(words)
    torch.set_num_threads(options.threads)
    Run(options).train()
    dist.destroy_process_group()
    sys.stdout.flush()
    os._exit(0)  # threads of gloo now and then fail while the interpreter ends


if __name__ == "__main__":
    main(sys.argv[1:])
