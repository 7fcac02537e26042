# SPDX-License-Identifier: Apache-2.0
"""May backward() go on while a module's gradients cross the WAN, and when are they complete?

FSDP goes on with the hook's tensor as soon as the hook returns. Where it only makes views of it, as .grad of parameters that have none yet,
the average may arrive in it later, until backward() ends. That is checked before and after: where FSDP copied or changed the tensor,
the gradients were not averages.
"""
from typing import Any, Callable, List, NamedTuple

import torch


class UnderWay(NamedTuple):
    path: str
    parameters: List[torch.nn.Parameter]
    gradients: torch.Tensor
    version: int
    request: Any


def may_overlap(parameters: List[torch.nn.Parameter], gradients: torch.Tensor) -> bool:
    """fp16 is divided after the hook; another type is converted; an existing .grad is added to; hooks of parameters read it."""
    return gradients.dtype != torch.float16 and torch._C._current_graph_task_id() != -1 and all(
        parameter.grad is None and parameter.dtype == gradients.dtype and not getattr(parameter, "_post_accumulate_grad_hooks", None)
        for parameter in parameters)


class Backward:
    """What is under way in one backward()."""

    def __init__(self, wait: Callable[[Any], None]) -> None:
        self._wait = wait
        self._task = -1
        self._all: List[UnderWay] = []

    def add(self, path: str, parameters: List[torch.nn.Parameter], gradients: torch.Tensor, request: Any) -> None:
        task = torch._C._current_graph_task_id()
        if task != self._task:
            self.drop()
            self._task = task
            torch.autograd.Variable._execution_engine.queue_callback(self._end)
        self._all.append(UnderWay(path, parameters, gradients, gradients._version, request))

    def has(self, path: str) -> bool:
        return any(one.path == path for one in self._all)

    def drop(self) -> None:
        """Waits for what a backward() that failed has left; its gradients count for nothing."""
        left, self._all, self._task = self._all, [], -1
        for one in left:
            try:
                self._wait(one.request)
            except RuntimeError:
                pass

    def finish(self) -> None:
        """Waits for all; raises the first failure."""
        while self._all:
            one = self._all.pop(0)
            self._wait(one.request)
            _check(one)

    def _end(self) -> None:
        self._task = -1
        self.finish()


def _check(one: UnderWay) -> None:
    grads = [parameter.grad.to_local() for parameter in one.parameters if parameter.grad is not None]
    storage = one.gradients.untyped_storage().data_ptr()
    views = all(grad.numel() == 0 or grad.untyped_storage().data_ptr() == storage for grad in grads)
    if not grads or not views or one.gradients._version != one.version:
        raise RuntimeError(f"the gradients of FSDP module {one.path!r} were changed or copied before they were averaged over the sites: do not use "
                           f"them. Call attach_fsdp2 again where parameters were replaced (to_empty, load_state_dict(assign=True)), or with "
                           f"overlap=False")
