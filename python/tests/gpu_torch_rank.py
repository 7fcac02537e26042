# SPDX-License-Identifier: Apache-2.0
"""One rank of gpu_torch.py: the only one of its site. Trains a net with each hook and compares it with one that saw both ranks' data; and
where there are two GPUs, with DDP over a flat NCCL."""
import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.nn.parallel import DistributedDataParallel

import longhaul
import longhaul.torch

STEPS = 6


def net(device):
    torch.manual_seed(7)
    return torch.nn.Sequential(torch.nn.Linear(64, 512), torch.nn.Tanh(), torch.nn.Linear(512, 512), torch.nn.Tanh(), torch.nn.Linear(512, 64)).to(device)


def data(rank, step, device):
    return torch.randn(32, 64, generator=torch.Generator().manual_seed(1000 * rank + step)).to(device)


def train(model, ranks, device):
    """Losses of these ranks' data, whose gradients count equally."""
    optimizer, losses = torch.optim.SGD(model.parameters(), lr=0.1), []
    for step in range(STEPS):
        optimizer.zero_grad()
        each = [(model(data(rank, step, device)) - 1).square().mean() for rank in ranks]
        (sum(each) / len(each)).backward()
        optimizer.step()
        losses.append([loss.item() for loss in each])
    return losses


def whole(model):
    return {name.replace("module.", ""): (value.full_tensor() if hasattr(value, "full_tensor") else value).detach().cpu()
            for name, value in model.named_parameters()}


def check(what, rank, comm, model, losses, expected, reference, tolerance=1e-4):
    longhaul.torch.verify_replicas(model, comm)
    comm.ready()
    parameters = whole(model)
    apart = max((parameters[name] - value).abs().max().item() for name, value in whole(reference).items())
    losses_apart = max(abs(mine[0] - both[rank]) for mine, both in zip(losses, expected))
    assert len(losses) == STEPS and apart < tolerance and losses_apart < tolerance, f"{what}: parameters {apart} apart, losses {losses_apart}"
    print(f"rank {rank}: {what} ok, parameters at most {apart:.1e} apart", flush=True)


def fsdp2(rank, comm, device, expected, reference):
    shapes = {"": (1,), ", mesh of two dimensions": (1, 1)}
    for name, shape in shapes.items():
        for overlap in (True, False):
            model, mesh = net(device), init_device_mesh(device.type, shape, mesh_dim_names=("replicate", "shard")[-len(shape):])
            for part in (model[0], model[2], model[4], model):
                fully_shard(part, mesh=mesh)
            longhaul.torch.attach_fsdp2(model, comm, codec="none", name=f"{name}{overlap}", overlap=overlap)
            check(f"FSDP2{name}, overlap {overlap}", rank, comm, model, train(model, [rank], device), expected, reference)
    model = net(device)  # gradients of another type: FSDP converts the hook's tensor and lets it go
    for part in (model[0], model[2], model[4], model):
        fully_shard(part, mp_policy=MixedPrecisionPolicy(reduce_dtype=torch.bfloat16))
    longhaul.torch.attach_fsdp2(model, comm, codec="none", name="bf16")
    check("FSDP2, reduced in bf16", rank, comm, model, train(model, [rank], device), expected, reference, tolerance=5e-3)


def ddp(rank, comm, device, expected, reference):
    model = DistributedDataParallel(net(device), bucket_cap_mb=0.5)
    model.register_comm_hook(longhaul.torch.DdpState(comm, codec="none"), longhaul.torch.ddp_hook)
    check("DDP", rank, comm, model, train(model, [rank], device), expected, reference)


def backend(rank, comm, device):
    """init_process_group over this communicator."""
    dist.init_process_group("longhaul", store=dist.HashStore(), rank=comm.rank, world_size=comm.size, pg_options=comm)
    value = torch.full((100_000,), float(rank + 1), device=device)
    work = dist.all_reduce(value, async_op=True)
    assert work.wait() and value.eq(3).all().item() and work.is_success()
    assert torch.equal(dist.all_reduce(value, async_op=True).get_future().wait()[0].cpu(), torch.full((100_000,), 6.0))
    strided = torch.arange(6.0, device=device).view(2, 3).t()
    dist.all_reduce(strided)
    assert strided.tolist() == [[0, 6], [2, 8], [4, 10]]
    parts = [torch.empty(3, dtype=torch.int64, device=device) for _ in range(2)]
    dist.all_gather(parts, torch.full((3,), rank, device=device))
    assert [part.tolist() for part in parts] == [[0] * 3, [1] * 3]
    piece = torch.empty(4, device=device)
    dist.reduce_scatter_tensor(piece, torch.arange(8.0, device=device))
    assert piece.tolist() == [2 * (4 * rank + i) for i in range(4)]
    flag = torch.tensor([rank == 1], device=device)
    dist.broadcast(flag, 1)
    assert flag.item()
    with dist._coalescing_manager(device=device):
        dist.all_reduce(piece)
    on_host, objects = torch.ones(5), [None, None]
    dist.all_reduce(on_host)
    dist.all_gather_object(objects, {"rank": rank})
    assert on_host.tolist() == [2] * 5 and objects == [{"rank": 0}, {"rank": 1}]
    dist.barrier()
    print(f"rank {rank}: the backend longhaul on {device} ok", flush=True)
    dist.destroy_process_group()


def flat_nccl(rank, folder, device, expected, reference):
    dist.init_process_group("nccl", init_method=f"file://{folder}/flat", rank=rank, world_size=2, device_id=device)
    model = DistributedDataParallel(net(device), bucket_cap_mb=0.5)
    losses = train(model, [rank], device)
    apart = max((whole(model)[name] - value).abs().max().item() for name, value in whole(reference).items())
    assert apart < 1e-4 and max(abs(mine[0] - both[rank]) for mine, both in zip(losses, expected)) < 1e-4, f"flat NCCL: {apart}"
    print(f"rank {rank}: flat NCCL ok, parameters at most {apart:.1e} apart", flush=True)
    dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--rank", type=int, required=True)
    parser.add_argument("--cpu", action="store_true")
    arguments = parser.parse_args()
    rank, device = arguments.rank, torch.device("cpu")
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    if not arguments.cpu:
        device = torch.device("cuda", rank % torch.cuda.device_count())
        torch.cuda.set_device(device)
    reference = net(device)
    expected = train(reference, [0, 1], device)
    if not arguments.cpu and torch.cuda.device_count() >= 2:
        flat_nccl(rank, arguments.folder, device, expected, reference)
    else:
        print(f"rank {rank}: flat NCCL skipped: it needs two GPUs", flush=True)
    with longhaul.Communicator(site=("wisconsin", "atlanta")[rank], site_rank=0, site_size=1, run_id="gpu-torch",
                               device=-1 if arguments.cpu else device.index) as comm:
        dist.init_process_group("gloo" if arguments.cpu else "nccl", store=dist.HashStore(), rank=0, world_size=1)
        fsdp2(rank, comm, device, expected, reference)
        ddp(rank, comm, device, expected, reference)
        dist.destroy_process_group()
        backend(rank, comm, device)
        comm.finalize()
    sys.stdout.flush()
    os._exit(0)  # gloo's threads may hold tensors while the interpreter ends


if __name__ == "__main__":
    main()
