# SPDX-License-Identifier: Apache-2.0
"""PyTorch's collectives over a communicator. Nothing is compressed, whatever wan.codec says: a process group cannot know what is a gradient."""
from typing import Any, Callable, List, Sequence

import torch
import torch.distributed as dist

from .._communicator import Communicator
from ._work import Queue, Work

_OPS = {dist.ReduceOp.SUM: "sum", dist.ReduceOp.AVG: "avg", dist.ReduceOp.PRODUCT: "prod", dist.ReduceOp.MIN: "min", dist.ReduceOp.MAX: "max"}


class ProcessGroup(dist.ProcessGroup):
    """What init_process_group("longhaul") and new_group(backend="longhaul") make. CPU tensors. Calls return at once and run in their order.
    Deadlines are the communicator's (wan.timeout). places: the communicator's ranks of the group's ranks. owned: the communicator
    ends with the group."""

    def __init__(self, communicator: Communicator, places: Sequence[int], owned: bool) -> None:
        self.communicator = communicator
        self._owned = owned
        self._places = list(places)
        super().__init__(self._places.index(communicator.rank), len(self._places))
        self._in_order = self._places == list(range(len(self._places)))
        self._queue = Queue()
        self._name = self._description = ""

    # PyTorch needs these four of a group that is not its own.
    def setGroupName(self, name: str) -> None:
        self._name = name

    def getGroupName(self) -> str:
        return self._name

    def setGroupDesc(self, description: str) -> None:
        self._description = description

    def getGroupDesc(self) -> str:
        return self._description

    def getBackendName(self) -> str:
        return "longhaul"

    def shutdown(self) -> None:
        self._queue.end()
        if self._owned:
            self.communicator.close()

    def abort(self) -> None:
        self.communicator.abort()

    # ---- Reductions -------------------------------------------------------------------------------------------------------------------

    def allreduce(self, tensors: Any, opts: Any = dist.ReduceOp.SUM, timeout: Any = None) -> Work:
        op = _op(opts)
        return self._queue.reduce([self._issue(tensor, op) for tensor in _list(tensors)], _list(tensors))

    allreduce_coalesced = allreduce

    def _issue(self, tensor: torch.Tensor, op: str) -> Callable[[], Any]:
        """Begins a reduction in place when called; returns what ends it."""
        def issue() -> Callable[[], None]:
            dense = _dense(tensor)
            request = self.communicator.all_reduce_async(dense, op=op, codec="none")

            def end() -> None:
                request.wait()
                if dense is not tensor:
                    tensor.copy_(dense)
            return end
        _on_cpu(tensor)
        return issue

    def reduce(self, tensors: List[torch.Tensor], opts: Any) -> Work:
        op = _op(opts)

        def run() -> None:
            for tensor in tensors:
                result = tensor.clone(memory_format=torch.contiguous_format)
                self.communicator.all_reduce(result, op=op, codec="none")
                if self.rank() == opts.rootRank:
                    tensor.copy_(result)
        return self._run(run, tensors)

    def reduce_scatter(self, outputs: List[torch.Tensor], inputs: List[List[torch.Tensor]], opts: Any = dist.ReduceOp.SUM) -> Work:
        op = _op(opts)
        return self._run(lambda: [self._scatter(output, torch.stack(parts), op) for output, parts in zip(outputs, inputs)], outputs, *inputs)

    def reduce_scatter_single(self, output: torch.Tensor, input: torch.Tensor, opts: Any = dist.ReduceOp.SUM) -> Work:
        return self.reduce_scatter_single_coalesced([output], [input], opts)

    def reduce_scatter_single_coalesced(self, outputs: List[torch.Tensor], inputs: List[torch.Tensor], opts: Any = dist.ReduceOp.SUM) -> Work:
        op = _op(opts)
        return self._run(lambda: [self._scatter(output, input, op) for output, input in zip(outputs, inputs)], outputs, inputs)

    def _scatter(self, output: torch.Tensor, input: torch.Tensor, op: str) -> None:
        send = _dense(input)
        if not self._in_order:
            rows = send.reshape(self.size(), -1)
            send = torch.empty_like(rows)
            send[self._places] = rows
        recv = _dense(output)
        self.communicator.reduce_scatter(send, recv, op)
        if recv is not output:
            output.copy_(recv)

    # ---- Copies -----------------------------------------------------------------------------------------------------------------------

    def broadcast(self, tensors: Any, opts: Any, timeout: Any = None) -> Work:
        root = opts if isinstance(opts, int) else opts.rootRank
        return self._run(lambda: [self._broadcast(tensor, root) for tensor in _list(tensors)], _list(tensors))

    def _broadcast(self, tensor: torch.Tensor, root: int) -> None:
        dense = _dense(tensor)
        self.communicator.broadcast(dense, self._places[root], dtype="uint8")
        if dense is not tensor:
            tensor.copy_(dense)

    def allgather(self, outputs: List[List[torch.Tensor]], inputs: List[torch.Tensor], opts: Any = None) -> Work:
        def run() -> None:
            for parts, input in zip(outputs, inputs):
                for part, row in zip(parts, self._gather(input)):
                    part.copy_(row.view(part.shape))
        return self._run(run, inputs, *outputs)

    def all_gather_single(self, output: torch.Tensor, input: torch.Tensor, opts: Any = None) -> Work:
        return self.all_gather_single_coalesced([output], [input])

    def all_gather_single_coalesced(self, outputs: List[torch.Tensor], inputs: List[torch.Tensor], opts: Any = None) -> Work:
        def run() -> None:
            for output, input in zip(outputs, inputs):
                if self._in_order and output.is_contiguous():
                    self.communicator.all_gather(_dense(input), output, dtype="uint8")
                else:
                    output.copy_(self._gather(input).view(output.shape))
        return self._run(run, outputs, inputs)

    def _gather(self, input: torch.Tensor) -> torch.Tensor:
        """A row of every rank, in the group's order."""
        rows = input.new_empty((self.size(), input.numel()))
        self.communicator.all_gather(_dense(input), rows, dtype="uint8")
        return rows if self._in_order else rows[self._places]

    def gather(self, outputs: List[List[torch.Tensor]], inputs: List[torch.Tensor], opts: Any) -> Work:
        def run() -> None:
            for i, input in enumerate(inputs):
                rows = self._gather(input)
                if self.rank() == opts.rootRank:
                    for part, row in zip(outputs[i], rows):
                        part.copy_(row.view(part.shape))
        return self._run(run, inputs, *outputs)

    def scatter(self, outputs: List[torch.Tensor], inputs: List[List[torch.Tensor]], opts: Any) -> Work:
        def run() -> None:
            for i, output in enumerate(outputs):
                rows = output.new_empty((self.size(), *output.shape))
                if self.rank() == opts.rootRank:
                    torch.stack(inputs[i], out=rows)
                self._broadcast(rows, opts.rootRank)
                output.copy_(rows[self.rank()])
        return self._run(run, outputs, *inputs)

    def barrier(self, opts: Any = None, timeout: Any = None) -> Work:
        return self._run(self.communicator.barrier, [])

    def _run(self, function: Callable[[], Any], results: List[torch.Tensor], *others: Sequence[torch.Tensor]) -> Work:
        for tensors in (results, *others):
            for tensor in tensors:
                _on_cpu(tensor)
        return self._queue.run(function, results)

    def _start_coalescing(self, device: torch.device) -> None:
        pass

    def _end_coalescing(self, device: torch.device) -> Work:
        return self._queue.reduce([], [])  # ends when all before it have

    def alltoall(self, *_: Any, **__: Any) -> Work:
        raise NotImplementedError("the backend longhaul has no all-to-all and no send or receive: use a group of another backend for them")

    alltoall_base = all_to_all_single = send = recv = recv_anysource = alltoall

    # Names of other versions of PyTorch.
    _allgather_base = all_gather_single
    allgather_into_tensor_coalesced = all_gather_single_coalesced
    _reduce_scatter_base = reduce_scatter_single
    reduce_scatter_tensor_coalesced = reduce_scatter_single_coalesced


def _op(opts: Any) -> str:
    op = getattr(opts, "reduceOp", opts)
    for known, name in _OPS.items():
        if op == known:
            return name
    raise ValueError(f"the backend longhaul does not reduce by {op}: use SUM, AVG, PRODUCT, MIN or MAX")


def _list(tensors: Any) -> List[torch.Tensor]:
    return [tensors] if isinstance(tensors, torch.Tensor) else list(tensors)


def _on_cpu(tensor: torch.Tensor) -> None:
    if tensor.device.type != "cpu":
        raise TypeError(f"a tensor is on {tensor.device}: this version of the backend longhaul takes CPU tensors")


def _dense(tensor: torch.Tensor) -> torch.Tensor:
    """Itself, or a copy that is contiguous."""
    return tensor.detach().contiguous().resolve_neg() if not tensor.is_contiguous() or tensor.is_neg() else tensor
