# SPDX-License-Identifier: Apache-2.0
"""One rank of test_torch.py: python ddp_rank.py RANK FOLDER SITES. Prints one line for every check."""
import contextlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import torch
import torch.distributed

import longhaul
import longhaul.torch


def model(**options):
    torch.manual_seed(7)
    layers = [torch.nn.Linear(300, 1000), torch.nn.ReLU(), torch.nn.Linear(1000, 400)]
    return torch.nn.parallel.DistributedDataParallel(torch.nn.Sequential(*layers), bucket_cap_mb=0.5, **options)


def hooked(comm, net, **options):
    state = longhaul.torch.DdpState(comm, **options)
    net.register_comm_hook(state, longhaul.torch.ddp_hook)
    return net, state


def train(net, rank, steps, micro=1, seed=100):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(seed + rank)
    for _ in range(steps):
        optimizer.zero_grad()
        for i in range(micro):
            with net.no_sync() if i < micro - 1 else contextlib.nullcontext():
                net(torch.randn(16, 300, generator=generator)).square().mean().backward()
        optimizer.step()
    return [parameter.detach().clone() for parameter in net.parameters()]


def same(a, b):
    return all(map(torch.equal, a, b))


def options_of_ddp(comm, rank):
    calls = [comm.stats().operations]
    for micro in (1, 3):
        accumulated = train(hooked(comm, model(), codec="none")[0], rank, 2, micro=micro)
        calls.append(comm.stats().operations)
    print("no_sync", same(accumulated, train(model(), rank, 2, micro=3)), calls[1] - calls[0] == calls[2] - calls[1])
    alone = torch.distributed.new_group([rank], use_local_synchronization=True)
    print("a group a site", same(train(hooked(comm, model(process_group=alone), codec="none")[0], rank, 4), train(model(), rank, 4)))


def feedback(comm, rank):
    """Kept by bucket, and in a checkpoint. With find_unused_parameters DDP never rebuilds its buckets, so a resumed run has the same."""
    net, state = hooked(comm, model(), codec="f4", error_feedback=True)
    train(net, rank, 1)
    tags = set(comm.state_dict()["feedback"])
    train(net, rank, 2)
    now = set(comm.state_dict()["feedback"])
    print("rebuilt", len(tags), len(now), tags & now)
    comm.reset_feedback()
    options = dict(codec="f4", error_feedback=True)
    net, _ = hooked(comm, model(find_unused_parameters=True), **options)
    train(net, rank, 2)
    weights, states = {name: value.clone() for name, value in net.state_dict().items()}, comm.state_dict()
    through = train(net, rank, 2, seed=200)
    for saved in (states, {}):
        again, _ = hooked(comm, model(find_unused_parameters=True), **options)
        again.load_state_dict(weights)
        comm.load_state_dict(saved)
        print("resumed", same(through, train(again, rank, 2, seed=200)))
    comm.reset_feedback()


def run(comm, rank):
    exact_net, _ = hooked(comm, model(), codec="none")
    coded, state = hooked(comm, model(), codec="i8")
    before = comm.stats().operations
    exact = train(exact_net, rank, 4)
    print("buckets", comm.stats().operations - before)
    print("equal to gloo", same(exact, train(model(), rank, 4)))
    lossy = train(coded, rank, 4)
    print("equal to i8", same(exact, lossy))
    print("near i8", all(torch.allclose(a, b, atol=0.02) for a, b in zip(exact, lossy)))
    longhaul.torch.verify_replicas(coded, comm, buffers=True)
    print("verified")
    with torch.no_grad():
        list(exact_net.parameters())[2][0, 0] += rank
    for what in (exact_net, {"a": torch.zeros(rank + 1)}, {"a": torch.tensor([0.0 * (-1) ** rank])}):
        try:
            longhaul.torch.verify_replicas(what, comm)
        except longhaul.torch.ReplicaMismatchError as error:
            print(error)
    options_of_ddp(comm, rank)
    feedback(comm, rank)
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
