# SPDX-License-Identifier: Apache-2.0
"""PyTorch on a real GPU: two loopback sites, then two processes that train with the FSDP2 and DDP hooks and the backend longhaul.

    python python/tests/gpu_torch.py [--cpu]      exit status 77 where torch sees no GPU

scripts/gpu_check.sh calls it. With one GPU both sites use it. --cpu does the same on host memory, to try this file.
"""
import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import support

os.environ.setdefault("CUDA_MODULE_LOADING", "EAGER")  # loading a kernel late may wait for the GPU, on which another rank's stream waits for us

try:
    import torch
except ImportError:
    print("gpu_torch: skipped: no PyTorch in this Python")
    sys.exit(77)

import longhaul
import longhaul.torch

FOLDER = Path(__file__).resolve().parent
WAN = {"chunk": "256KiB", "timeout": "60s"}


def place(comm):
    return torch.device("cuda", comm.device) if comm.device >= 0 else torch.device("cpu")


def refused(call, text):
    try:
        call()
    except longhaul.InvalidArgumentError as error:
        assert text in str(error), f"{error} does not say: {text}"
        return
    raise AssertionError(f"was not refused: {text}")


def in_order(rank, comm):
    """What is before the call in the stream goes in, what is behind it sees the result; and memory that is freed at once is not reused early."""
    here = place(comm)
    for turn in range(10):
        heavy = torch.randn(2000, 2000, device=here)
        for _ in range(3):
            heavy = heavy @ heavy / 45
        values = torch.full((1_000_000,), float(rank + 1 + turn), device=here) + heavy.sum() * 0
        comm.all_reduce(values)
        doubled = values * 2
        del values
        torch.full((1_000_000,), -1.0, device=here)  # may take the memory that was freed
        assert doubled.min().item() == doubled.max().item() == 2 * (3 + 2 * turn), (turn, doubled.min().item(), doubled.max().item())


def side_stream(rank, comm):
    """Memory that is freed behind a call in another stream than its own: torch's allocator must know."""
    if comm.device < 0:
        return
    side, here = torch.cuda.Stream(place(comm)), place(comm)
    for turn in range(10):
        values = torch.full((1_000_000,), float(rank + turn), device=here)
        side.wait_stream(torch.cuda.current_stream(here))
        comm.all_reduce(values, stream=side if turn % 2 else side.cuda_stream)
        with torch.cuda.stream(side):
            result = values * 1
        del values
        noise = [torch.full((1_000_000,), -1.0, device=here) for _ in range(4)]  # may take it, if it were free by now
        torch.cuda.current_stream(here).wait_stream(side)
        assert result.eq(1 + 2 * turn).all().item() and len(noise) == 4


def requests(rank, comm):
    parts = [torch.full((100_000,), float(rank + i), device=place(comm)) for i in range(8)]
    waiting = [comm.all_reduce_async(part, op="max", tag=i + 1) for i, part in enumerate(parts)]
    for i, request in enumerate(waiting):
        request.wait()
        assert request.test() and parts[i].eq(1 + i).all().item()


def same_bits(rank, comm):
    """A codec with error feedback on this memory, and on host memory."""
    generator = torch.Generator().manual_seed(rank)
    data = [torch.randn(300_000, generator=generator) for _ in range(3)]
    found = [part.to(place(comm)) for part in data]
    for part in found:
        comm.all_reduce(part, op="avg", codec="i8", tag=7, error_feedback=True)
    return [part.cpu() for part in found]


def memory(rank, comm):
    right = torch.ones(8, device=place(comm))
    if comm.device >= 0:
        refused(lambda: comm.all_reduce(torch.ones(8)), "host memory, but this communicator works on GPU")
        if torch.cuda.device_count() > 1:
            other = torch.ones(8, device=torch.device("cuda", (comm.device + 1) % torch.cuda.device_count()))
            refused(lambda: comm.all_reduce(other), f"is memory of GPU {other.device.index}, but this communicator works on GPU {comm.device}")
    comm.all_reduce(right)
    assert right.eq(2).all().item()


def replicas(rank, comm):
    layer = torch.nn.Linear(300, 300)
    with torch.no_grad():
        layer.weight.fill_(1)
        layer.bias.fill_(rank)
    layer.to(place(comm))
    try:
        longhaul.torch.verify_replicas(layer, comm)
    except longhaul.torch.ReplicaMismatchError as error:
        assert "bias" in str(error) and "weight" not in str(error), error
    else:
        raise AssertionError("a difference was not found")
    longhaul.torch.verify_replicas({"weight": layer.weight}, comm)


def alone(device):
    """A rank's own stream: ranks that share a GPU and a stream would wait for each other for ever. Its memory is taken from the driver before any
    rank waits for another."""
    stream = torch.cuda.Stream(device)
    with torch.cuda.stream(stream):
        large, small = torch.ones(512 << 20, dtype=torch.uint8, device=device), torch.ones(1000, 1000, device=device)
        (small @ small).sum().item()
        del large, small
    stream.synchronize()
    return torch.cuda.stream(stream)


def loopback(device):
    parts, together = (in_order, side_stream, requests, memory, replicas, same_bits), threading.Barrier(2)

    def run(rank, comm):
        inside = alone(place(comm)) if comm.device >= 0 else contextlib.nullcontext()
        together.wait(60)
        with inside:
            for part in parts:
                result = part(rank, comm)
                print(f"loopback, rank {rank} on {place(comm)}: {part.__name__} ok", flush=True)
        return result
    with longhaul.loopback([1, 1], wan=WAN, device=device) as ranks:
        ours = support.on_all(ranks, run)
    with longhaul.loopback([1, 1], wan=WAN) as ranks:
        theirs = support.on_all(ranks, same_bits)
    assert all(torch.equal(a, b) for one, other in zip(ours, theirs) for a, b in zip(one, other)), "not the bits of host memory"
    print("loopback: the bits of host memory ok", flush=True)


def jobs(cpu):
    """gpu_torch_rank.py as two sites of one rank."""
    with tempfile.TemporaryDirectory() as folder:
        path, secret = Path(folder) / "job.toml", Path(folder) / "secret"
        secret.write_text("a secret of the tests, longer than 32 characters")
        secret.chmod(0o600)
        path.write_text(f'secret_file = "{secret}"\n')
        sites = ",".join(f"{name}=127.0.0.1:{port}" for name, port in zip(("wisconsin", "atlanta"), support.free_ports(2)))
        environment = dict(os.environ, LONGHAUL_CONFIG=str(path), LONGHAUL_SITES=sites, GLOO_SOCKET_IFNAME="lo", NCCL_SOCKET_IFNAME="lo")
        command = [sys.executable, "-B", str(FOLDER / "gpu_torch_rank.py"), folder] + (["--cpu"] if cpu else [])
        ranks = [subprocess.Popen(command + ["--rank", str(rank)], env=environment) for rank in range(2)]
        try:
            return [rank.wait(timeout=300) for rank in ranks] == [0, 0]
        finally:
            for rank in ranks:
                rank.kill()
                rank.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", action="store_true", help="on host memory")
    arguments = parser.parse_args()
    if not arguments.cpu and not torch.cuda.is_available():
        print(f"gpu_torch: skipped: PyTorch {torch.__version__} sees no GPU")
        return 77
    loopback(-1 if arguments.cpu else 0)
    if not jobs(arguments.cpu):
        print("gpu_torch: FAILED: the training jobs, see above")
        return 1
    print(f"gpu_torch: all passed with PyTorch {torch.__version__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
