# SPDX-License-Identifier: Apache-2.0
"""How do the gradients of fully_shard cross the WAN?

Every site is a job of its own that shards the model over its ranks. FSDP reduces a module's gradients inside the site, then calls the hook
set here with this rank's part of them, which is averaged with the parts of the same rank at the other sites.
"""
from typing import Any, Dict, Iterator, List, Optional, Union

import torch
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from .._abi import Codec
from .._communicator import Communicator
from ._options import HookState, tag_of
from ._overlap import Backward, may_overlap
from ._replicas import verify_layout, verify_replicas

_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


class Fsdp2State(HookState):
    """What `attach_fsdp2` returns. `tags`: the tag of every FSDP module by its name."""

    def __init__(self, communicator: Communicator, codec: Union[str, int, Codec], error_feedback: bool, timeout: Optional[float]) -> None:
        super().__init__(communicator, codec, error_feedback, timeout)
        self.tags: Dict[str, int] = {}
        self._backward = Backward(self.wait)

    def _reduce(self, path: str, parameters: List[torch.nn.Parameter], gradients: torch.Tensor, overlap: bool) -> None:
        if self.streams:  # FSDP goes on in this stream, and its end of backward() lets the optimizer's wait for it
            self.issue_in_stream(gradients, "rail", self.tags[path])
            return
        if self._backward.has(path):  # a module that was called twice: FSDP will add to the first call's
            self._backward.finish()
        request = self.issue(gradients, "rail", self.tags[path])
        if overlap and may_overlap(parameters, gradients):
            self._backward.add(path, parameters, gradients, request)
        else:
            self.wait(request)


def attach_fsdp2(model: torch.nn.Module, communicator: Communicator, *, codec: Union[str, int, Codec] = "default", error_feedback: bool = False,
                 timeout: Optional[float] = None, name: str = "", verify: bool = True, overlap: bool = True) -> Fsdp2State:
    """Averages the gradients of a model that fully_shard sharded inside this site over all sites, module by module, in every backward().
    Called by all ranks after fully_shard, once a model. Blocks.

    The mesh is one-dimensional over the ranks of the site, in their order, or of shape (1, ranks). codec, error_feedback, timeout: as for
    `Communicator.all_reduce`. name: of the model, where several use one communicator. verify: raises ReplicaMismatchError unless all
    sites start with the same parameters; where they are loaded later, call `verify_replicas` then. overlap: backward() goes on while
    gradients cross the WAN, where it can (not with an accumulated .grad or a reduce_dtype of its own), and ends when all are averaged.

    On a GPU the communicator has the device= of the mesh. Calls go in streams and backward() waits for none: the optimizer's stream does.
    overlap: modules' gradients cross the WAN side by side (mesh of one dimension). What failed is raised by the next module's call, and by
    `Communicator.ready`.
    """
    state = Fsdp2State(communicator, codec, error_feedback, timeout)
    modules = {path: module for path, module in model.named_modules() if isinstance(module, FSDPModule)}
    if not modules:
        raise ValueError("the model has no FSDP module: call torch.distributed.fsdp.fully_shard on its layers and on itself first")
    if communicator.size != communicator.site_count * communicator.site_size:
        raise ValueError(f"the communicator has {communicator.size} ranks at {communicator.site_count} sites, {communicator.site_size} of them "
                         f"here: all sites must have equally many, as every rank exchanges its part of the gradients with its like")
    for path, parameter in model.named_parameters():
        _check(path, parameter, communicator)
    layout = [f"{path} {tuple(parameter.shape)} {parameter.dtype}" for path, parameter in model.named_parameters()]
    verify_layout(communicator, layout + list(modules))
    if verify and not any(parameter.is_meta for parameter in model.parameters()):
        verify_replicas(model, communicator)
    for path, module in modules.items():
        state.tags[path] = tag_of("fsdp2", name, path)
        own = [parameter for parameter in _own(module) if parameter.requires_grad]
        module.set_all_reduce_hook(_hook(state, path, own, overlap), stream=_own_stream(state, own) if overlap else None)
    return state


def _hook(state: Fsdp2State, path: str, parameters: List[torch.nn.Parameter], overlap: bool) -> Any:
    def reduce(gradients: torch.Tensor) -> None:
        state._reduce(path, parameters, gradients, overlap)
    return reduce


def _own_stream(state: Fsdp2State, parameters: List[torch.nn.Parameter]) -> Any:
    """In FSDP's one all-reduce stream each module's call would begin when the one before is done. None: on the CPU, and with a mesh of two
    dimensions, where FSDP allows no other."""
    one_dimension = all(parameter.device_mesh.ndim == 1 for parameter in parameters if isinstance(parameter, DTensor))
    return state.streams.next() if state.streams and one_dimension else None


def _own(module: torch.nn.Module) -> Iterator[torch.nn.Parameter]:
    """Parameters that this FSDP module reduces: all below it but those of the FSDP modules there."""
    yield from module.parameters(recurse=False)
    for child in module.children():
        if not isinstance(child, FSDPModule):
            yield from _own(child)


def _check(path: str, parameter: torch.nn.Parameter, communicator: Communicator) -> None:
    if not isinstance(parameter, DTensor):
        if parameter.requires_grad:
            raise ValueError(f"parameter {path} belongs to no FSDP module: its gradient would stay this rank's own. Call fully_shard on the whole "
                             f"model too, without ignored_params")
        return
    mesh, sizes = parameter.device_mesh, list(parameter.device_mesh.shape)
    device = communicator.device
    if mesh.device_type != ("cpu" if device < 0 else "cuda"):
        works_on = "host memory: make it with device=" if device < 0 else f"GPU {device}: make it with device=-1 (host memory), or the mesh of cuda"
        raise TypeError(f"the mesh of parameter {path} is of {mesh.device_type}, but the communicator works on {works_on}")
    if parameter.device.type not in ("cpu", "meta") and parameter.device.index != device:
        raise TypeError(f"parameter {path} is on {parameter.device}, but the communicator works on GPU {device}")
    if parameter.dtype not in _DTYPES:
        raise TypeError(f"parameter {path} is of {parameter.dtype}: supported are {', '.join(str(dtype) for dtype in _DTYPES)}")
    if len(sizes) > 2 or (len(sizes) == 2 and sizes[0] != 1) or not parameter.placements[-1].is_shard():
        raise ValueError(f"parameter {path} is on a mesh of shape {tuple(sizes)} as {parameter.placements}: shard over a mesh of one "
                         f"dimension, or of shape (1, ranks), with all ranks of the site")
    at = mesh.get_local_rank(mesh.ndim - 1)
    if sizes[-1] != communicator.site_size or at != communicator.site_rank:
        raise ValueError(f"this is rank {at} of {sizes[-1]} in the mesh of {path} and rank {communicator.site_rank} of {communicator.site_size} in "
                         f"the communicator's site: both must be equal. Launch one job a site, with a mesh over all of its ranks in their order")
