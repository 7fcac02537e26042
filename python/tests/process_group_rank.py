# SPDX-License-Identifier: Apache-2.0
"""One rank of test_process_group.py: python process_group_rank.py RANK FOLDER. One job of four ranks over two sites, by the environment
alone. Prints one line for every check."""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

import longhaul
import longhaul.torch

RANK, FOLDER = int(sys.argv[1]), Path(sys.argv[2])


def data(*shape, dtype=torch.float32, add=0):
    generator = torch.Generator().manual_seed(RANK + 10 * add)
    return torch.randint(-50, 50, shape, generator=generator).to(dtype)


def collectives(group):
    """Results of all of them on this group, by name. Integers in floats: sums are exact in any order."""
    size, found, at = dist.get_world_size(group), {}, dist.get_rank(group)
    for op in (dist.ReduceOp.SUM, dist.ReduceOp.MIN, dist.ReduceOp.MAX, dist.ReduceOp.AVG):
        found[f"all_reduce {op}"] = tensor = data(1000)
        dist.all_reduce(tensor, op, group=group)
    for dtype in (torch.float64, torch.int64, torch.bfloat16):
        found[f"all_reduce {dtype}"] = tensor = data(10, dtype=dtype)
        dist.all_reduce(tensor, group=group)
    found["all_reduce strided"] = tensor = data(8, 6).t()
    dist.all_reduce(tensor, group=group)
    works = [dist.all_reduce(tensor, group=group, async_op=True) for tensor in found.setdefault("async", [data(50_000, add=i) for i in range(4)])]
    for work in works:
        work.wait()
    found["coalesced"] = [data(7, add=i) for i in range(3)]
    with dist._coalescing_manager(group):
        for tensor in found["coalesced"]:
            dist.all_reduce(tensor, group=group)
    for i, dtype in enumerate((torch.float32, torch.bool, torch.int64)):
        found[f"broadcast {dtype}"] = tensor = data(33, dtype=dtype)
        dist.broadcast(tensor, group=group, group_src=i % size)
    found["reduce"] = tensor = data(9)
    dist.reduce(tensor, group=group, group_dst=1)
    if at != 1:
        del found["reduce"]  # left undefined there
    found["all_gather"] = parts = [torch.empty(3, 4) for _ in range(size)]
    dist.all_gather(parts, data(3, 4), group=group)
    found["all_gather_single"] = output = torch.empty(size * 6, dtype=torch.uint8)
    dist.all_gather_into_tensor(output, data(6, dtype=torch.uint8), group=group)
    found["reduce_scatter"] = output = torch.empty(5, 2)
    dist.reduce_scatter(output, [data(5, 2, add=i) for i in range(size)], group=group)
    found["reduce_scatter_single"] = output = torch.empty(5)
    dist.reduce_scatter_tensor(output, data(5 * size), group=group)
    found["gather"] = parts = [torch.empty(4) for _ in range(size)] if at == 1 else None
    dist.gather(data(4), parts, group=group, group_dst=1)
    found["scatter"] = output = torch.empty(4)
    dist.scatter(output, [data(4, add=i) for i in range(size)] if at == 1 else None, group=group, group_src=1)
    found["objects"] = objects = [None] * size
    dist.all_gather_object(objects, {"rank": at}, group=group)
    dist.barrier(group=group)
    return found


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


def compare(what, group, gloo):
    ours, theirs = collectives(group), collectives(gloo)
    print(what, type(dist.distributed_c10d._get_default_group() if group is None else group).__name__,
          [name for name in theirs if not equal(ours[name], theirs[name])], len(ours) == len(theirs))


def interleaved():
    """Sites that alternate in the job's ranks: the order of the communicator's ranks is another one."""
    os.environ["LONGHAUL_SITE"] = ("wisconsin", "atlanta")[RANK % 2]
    dist.init_process_group("longhaul", init_method=f"file://{FOLDER}/interleaved", rank=RANK, world_size=4)
    compare("interleaved", None, dist.new_group(backend="gloo"))
    first, second = dist.new_group([0, 1], backend="longhaul"), dist.new_group([2, 3], backend="longhaul")  # side by side
    gloo = [dist.new_group(ranks, backend="gloo") for ranks in ([0, 1], [2, 3])]
    compare("rail", (first, second)[RANK // 2], gloo[RANK // 2])
    dist.destroy_process_group()


def refused():
    group = dist.distributed_c10d._get_default_group()
    for call in (lambda: dist.all_reduce(torch.ones(1), dist.ReduceOp.BXOR), lambda: dist.all_reduce(torch.ones(1, device="meta")),
                 lambda: dist.all_to_all_single(torch.ones(4), torch.ones(4)), lambda: dist.send(torch.ones(4), (RANK + 1) % 4),
                 lambda: dist.all_reduce(torch.ones(2, dtype=torch.int16))):
        try:
            call()
        except Exception as error:
            print(type(error).__name__, str(error).splitlines()[0][:60].strip())
    print("still works", group.allreduce([torch.ones(3)]).get_future().wait())


def train(net, steps):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(100 + RANK)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = net(torch.randn(16, 30, generator=generator)).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def net():
    torch.manual_seed(7)
    return torch.nn.Sequential(torch.nn.Linear(30, 100), torch.nn.Tanh(), torch.nn.Linear(100, 40))


def near(a, b):
    return len(a) == len(b) > 0 and max(abs(x - y) for x, y in zip(a, b)) < 1e-6


def training():
    """DDP; and FSDP2 with replicas across the sites, of which the shards are gloo's."""
    os.environ["LONGHAUL_SITE"] = ("wisconsin", "atlanta")[RANK // 2]
    dist.init_process_group("longhaul", init_method=f"file://{FOLDER}/training", rank=RANK, world_size=4)
    comm = dist.distributed_c10d._get_default_group().communicator
    flat = train(torch.nn.parallel.DistributedDataParallel(net(), process_group=dist.new_group(backend="gloo")), 4)
    before = comm.stats().wan_bytes_sent
    print("ddp", near(train(torch.nn.parallel.DistributedDataParallel(net()), 4), flat), comm.stats().wan_bytes_sent > before)
    mesh, model = init_device_mesh("cpu", (2, 2), mesh_dim_names=("replicate", "shard")), net()
    for layer in (model[0], model[2], model):
        fully_shard(layer, mesh=mesh)
    print([type(mesh.get_group(name)).__name__ + " " + mesh.get_group(name).name() for name in ("replicate", "shard")])
    print("hsdp", near(train(model, 4), flat))
    longhaul.torch.verify_replicas(model, comm)
    longhaul.torch.verify_replicas({name: value.full_tensor() for name, value in model.named_parameters()}, comm)
    refused()
    dist.destroy_process_group()
    print("closed", comm.closed)


def given():
    """Over a communicator that exists: jobs of the sites need no common store."""
    site, sites = ("wisconsin", "atlanta")[RANK // 2], os.environ["LONGHAUL_SITES"]
    comm = longhaul.Communicator(run_id="given", site=site, site_rank=RANK % 2, site_size=2, sites=sites)
    dist.init_process_group("longhaul", store=dist.HashStore(), rank=comm.rank, world_size=comm.size, pg_options=comm)
    tensor = data(10)
    dist.all_reduce(tensor)
    print("given", tensor.equal(sum(torch.randint(-50, 50, (10,), generator=torch.Generator().manual_seed(rank)) for rank in range(4)).float()))
    dist.destroy_process_group()
    print("mine", comm.closed)
    comm.close()


def main():
    torch.set_num_threads(1)
    interleaved()
    training()
    given()
    sys.stdout.flush()
    os._exit(0)  # gloo's threads may hold tensors while the interpreter ends


if __name__ == "__main__":
    main()
