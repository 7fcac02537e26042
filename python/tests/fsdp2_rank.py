# SPDX-License-Identifier: Apache-2.0
"""One rank of test_fsdp2.py: python fsdp2_rank.py RANK FOLDER SITES. Two sites of two ranks, each with a process group of its own; then the
same ranks as one flat job. Prints one line for every check."""
import os
import sys
import time
import unittest.mock
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import torch
import torch.distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

import longhaul
import longhaul.torch
from longhaul.torch import _overlap

RANK, FOLDER = int(sys.argv[1]), Path(sys.argv[2])


class Net(torch.nn.Module):
    def __init__(self, twice=False):
        super().__init__()
        self.twice = twice
        self.layers = torch.nn.ModuleList(torch.nn.Linear(*size) for size in ((31, 64), (64, 64), (64, 64), (64, 10)))
        self.scale = torch.nn.Parameter(torch.ones(5))  # of the root; 5 over 2 and 4 ranks needs padding

    def forward(self, x):
        for layer in [*self.layers[:2], *self.layers[1:2 * self.twice], *self.layers[2:]]:
            x = torch.tanh(layer(x))
        return x * self.scale.mean()


def sharded(*shape, names=("shard",), twice=False, **options):
    torch.manual_seed(7)
    net, mesh = Net(twice), init_device_mesh("cpu", shape, mesh_dim_names=names)
    for layer in net.layers:
        fully_shard(layer, mesh=mesh, **options)
    return fully_shard(net, mesh=mesh, **options)


class Run:
    """A model with its optimizer and its rank's data. steps() returns their losses."""

    def __init__(self, net):
        self.net = net
        self.optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
        self.data = torch.Generator().manual_seed(100 + RANK)

    def steps(self, count, micro=1, before=lambda last: None):
        losses = []
        for _ in range(count):
            self.optimizer.zero_grad()
            for i in range(micro):
                before(i == micro - 1)
                loss = (self.net(torch.randn(8, 31, generator=self.data)) - 0.3).square().mean()
                loss.backward()
                losses.append(loss.item())
            self.optimizer.step()
        return losses

    def full(self):
        return [parameter.detach().full_tensor() for parameter in self.net.parameters()]


def near(ours, flat):
    (losses, parameters), (flat_losses, flat_parameters) = ours, flat
    return (max(abs(a - b) for a, b in zip(losses, flat_losses)) < 1e-5 and len(losses) == len(flat_losses) > 0 and
            all(torch.allclose(a, b, rtol=0, atol=1e-5) for a, b in zip(parameters, flat_parameters)))


def attached(comm, net, **options):
    longhaul.torch.attach_fsdp2(net, comm, **options)
    return Run(net)


def calls_of(comm, function):
    before = comm.stats().operations
    result = function()
    return comm.stats().operations - before, result


def accumulation(comm):
    """Three micro-batches a step, as the ways of FSDP2 to do that have it."""
    found = {}
    plain, sync, rows = attached(comm, sharded(2)), attached(comm, sharded(2)), attached(comm, sharded(1, 2, names=("rep", "shard")))
    for name, run, before in (("every", plain, plain.net.set_requires_all_reduce), ("sync", sync, sync.net.set_requires_gradient_sync),
                              ("rows", rows, rows.net.set_requires_all_reduce)):
        calls, losses = calls_of(comm, lambda: run.steps(2, 3, before))
        print("calls", name, calls)
        longhaul.torch.verify_replicas(run.net, comm)
        found[name] = losses, run.full()
    return found


def overlapping(comm):
    """The same bits with and without; where FSDP does more with the hook's tensor than views of it, the hook waits."""
    half = MixedPrecisionPolicy(reduce_dtype=torch.bfloat16)
    for what, make in (("plain", lambda: sharded(2)), ("twice", lambda: sharded(2, twice=True)), ("bf16", lambda: sharded(2, mp_policy=half))):
        run, waiting = attached(comm, make()), attached(comm, make(), overlap=False)
        with unittest.mock.patch.object(_overlap.Backward, "add", autospec=True, side_effect=_overlap.Backward.add) as added:
            equal = run.steps(2) == waiting.steps(2) and all(map(torch.equal, run.full(), waiting.full()))
        longhaul.torch.verify_replicas(run.net, comm)
        print(what, "equal", equal, "overlapped", added.call_count)
    run = attached(comm, sharded(2))
    run.net.load_state_dict(sharded(2).state_dict(), assign=True)
    try:
        run.steps(1)
    except RuntimeError as error:
        print(type(error).__name__, str(error)[-70:])
    run.net.reset_iter_state()
    longhaul.torch.attach_fsdp2(run.net, comm)
    print("attached again", len(run.steps(1)))


def resumed(comm, codec):
    """A run that goes through and one that is stopped and resumed, by a communicator and a model that know nothing."""
    options = dict(codec=codec, error_feedback=True)
    run = attached(comm, sharded(2), **options)
    run.steps(3)
    saved = {"feedback": comm.state_dict(), "model": run.net.state_dict(), "optimizer": run.optimizer.state_dict(), "data": run.data.get_state()}
    torch.save(saved, FOLDER / f"checkpoint{RANK}")
    through = run.steps(3)
    for what in "with", "without":
        saved = torch.load(FOLDER / f"checkpoint{RANK}", weights_only=False)
        again = attached(comm, sharded(2), **options)
        again.net.load_state_dict(saved["model"])
        again.optimizer.load_state_dict(saved["optimizer"])
        again.data.set_state(saved["data"])
        comm.load_state_dict(saved["feedback"] if what == "with" else {})
        print(codec, "resumed", what, "feedback", again.steps(3) == through, all(map(torch.equal, run.full(), again.full())))
    comm.reset_feedback()
    print("states", len(saved["feedback"]["feedback"]), len(comm.state_dict()["feedback"]))


def refused(comm):
    torch.manual_seed(7 + comm.site)
    other, mesh = Net(), init_device_mesh("cpu", (2,))
    loose = sharded(2)
    loose.extra = torch.nn.Parameter(torch.ones(3))
    alone = init_device_mesh("cpu", (2, 1), mesh_dim_names=("rep", "shard"))
    for net in (fully_shard(other, mesh=mesh), Net(), loose, fully_shard(Net(), mesh=alone), fully_shard(Net(), mesh=alone["shard"])):
        try:
            longhaul.torch.attach_fsdp2(net, comm)
            print("attached")
        except (ValueError, longhaul.torch.ReplicaMismatchError) as error:
            print(type(error).__name__, str(error)[:75].strip())


def failing(comm):
    run, store = attached(comm, sharded(2)), torch.distributed.FileStore(f"{FOLDER}/attached", 4)
    store.add("ranks", 1)
    while store.add("ranks", 0) < 4:
        time.sleep(0.01)
    if comm.site == 1:
        comm.abort()
        return
    try:
        while comm.ready():  # both ranks of the site know, or one would wait for the other's reduce-scatter
            time.sleep(0.01)
    except longhaul.Error:
        pass
    try:
        run.steps(1)
    except longhaul.Error as error:
        print("backward raised", type(error).__name__)


def two_sites(comm):
    exact = attached(comm, sharded(2), codec="none")
    losses = exact.steps(6)
    longhaul.torch.verify_replicas(exact.net, comm)
    found = {"exact": (losses, exact.full())}
    coded = attached(comm, sharded(2), codec="i8")
    lossy = coded.steps(6)
    longhaul.torch.verify_replicas(coded.net, comm)
    print("i8 equal", all(map(torch.equal, exact.full(), coded.full())), "near", all(abs(a - b) < 0.02 for a, b in zip(losses, lossy)))
    found.update(accumulation(comm))
    overlapping(comm)
    for codec in "f4", "r2":
        resumed(comm, codec)
    refused(comm)
    failing(comm)
    return found


def start(store, rank, size):
    torch.distributed.init_process_group("gloo", init_method=f"file://{FOLDER}/{store}", rank=rank, world_size=size)


def main():
    torch.set_num_threads(1)
    site, name = RANK // 2, ("wisconsin", "atlanta")[RANK // 2]
    start(name, RANK % 2, 2)
    with longhaul.Communicator(FOLDER / "job.toml", run_id="fsdp2", site=name, site_rank=RANK % 2, site_size=2, sites=sys.argv[3]) as comm:
        found = two_sites(comm)
        torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    start("flat", RANK, 4)
    flat = Run(sharded(4))
    print("near flat", near(found.pop("exact"), (flat.steps(6), flat.full())))
    flat = Run(sharded(4))
    flat = flat.steps(2, 3), flat.full()
    for name, ours in found.items():
        print("near flat", name, near(ours, flat))
    torch.distributed.destroy_process_group()
    sys.stdout.flush()
    os._exit(0)  # gloo's threads may hold tensors while the interpreter ends


if __name__ == "__main__":
    main()
