# SPDX-License-Identifier: Apache-2.0
"""One rank of test_torch.py: python ddp_rank.py RANK FOLDER SITES. Prints one line for every check."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import torch
import torch.distributed

import longhaul
import longhaul.torch


def model():
    torch.manual_seed(7)
    layers = [torch.nn.Linear(300, 1000), torch.nn.ReLU(), torch.nn.Linear(1000, 400)]
    return torch.nn.parallel.DistributedDataParallel(torch.nn.Sequential(*layers), bucket_cap_mb=0.5)


def train(net, rank, steps):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(100 + rank)
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.randn(16, 300, generator=generator)).square().mean().backward()
        optimizer.step()
    return [parameter.detach().clone() for parameter in net.parameters()]


def run(comm, rank):
    plain, hooked, coded = model(), model(), model()
    hooked.register_comm_hook(longhaul.torch.DdpState(comm, codec="none"), longhaul.torch.ddp_hook)
    state = longhaul.torch.DdpState(comm, codec="i8")
    coded.register_comm_hook(state, longhaul.torch.ddp_hook)
    before = comm.stats().operations
    exact = train(hooked, rank, 4)
    print("buckets", comm.stats().operations - before)
    print("equal to gloo", all(torch.equal(a, b) for a, b in zip(exact, train(plain, rank, 4))))
    lossy = train(coded, rank, 4)
    print("equal to i8", all(torch.equal(a, b) for a, b in zip(exact, lossy)))
    print("near i8", all(torch.allclose(a, b, atol=0.02) for a, b in zip(exact, lossy)))
    longhaul.torch.verify_replicas(coded, comm, buffers=True)
    print("verified")
    with torch.no_grad():
        list(hooked.parameters())[2][0, 0] += rank
    for what in (hooked, {"a": torch.zeros(rank + 1)}, {"a": torch.tensor([0.0 * (-1) ** rank])}):
        try:
            longhaul.torch.verify_replicas(what, comm)
        except longhaul.torch.ReplicaMismatchError as error:
            print(error)
    torch.distributed.barrier()
    if rank == 1:
        comm.abort()
        torch.distributed.barrier()
        return
    torch.distributed.barrier()
    try:
        train(coded, rank, 1)
    except RuntimeError as error:
        print("backward raised", "aborted its communicator" in str(error), state.error is None or type(state.error).__name__)


def main():
    rank, folder, sites = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    with longhaul.Communicator(folder / "job.toml", run_id="ddp", site=("wisconsin", "atlanta")[rank], site_rank=0, site_size=1, sites=sites) as comm:
        run(comm, rank)
        sys.stdout.flush()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
