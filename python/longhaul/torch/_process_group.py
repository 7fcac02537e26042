# SPDX-License-Identifier: Apache-2.0
"""PyTorch's collectives over a communicator. Nothing is compressed, whatever wan.codec says: a process group cannot know what is a gradient."""
from typing import Any, Callable, List, Optional, Sequence

import torch
import torch.distributed as dist

from .._communicator import Communicator
from ._operands import as_list, dense_on, op_of
from ._streams import Streams
from ._work import Queue


class ProcessGroup(dist.ProcessGroup):
    """What init_process_group("longhaul") and new_group(backend="longhaul") make. Calls return at once and run in their order. Over a
    communicator of host memory for CPU tensors; over one of a GPU for tensors there, and by copies for CPU tensors, which block.
    Deadlines are the communicator's (wan.timeout). places: the communicator's ranks of the group's ranks. owned: the communicator
    ends with the group."""

    supports_splitting = False  # asked with init_process_group(device_id=...)

    def __init__(self, communicator: Communicator, places: Sequence[int], owned: bool) -> None:
        self.communicator = communicator
        self._owned = owned
        self._places = list(places)
        super().__init__(self._places.index(communicator.rank), len(self._places))
        self._in_order = self._places == list(range(len(self._places)))
        on_gpu = communicator.device >= 0
        self._device = torch.device("cuda", communicator.device) if on_gpu else torch.device("cpu")
        self._streams: Optional[Streams] = Streams(communicator) if on_gpu else None
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

    def _get_backend(self, device: torch.device) -> "ProcessGroup":
        return self

    def shutdown(self) -> None:
        self._queue.end()
        if self._owned:
            self.communicator.close()

    def abort(self) -> None:
        self.communicator.abort()

    # ---- Reductions -------------------------------------------------------------------------------------------------------------------

    def allreduce(self, tensors: Any, opts: Any = dist.ReduceOp.SUM, timeout: Any = None) -> dist.Work:
        op, tensors = op_of(opts), as_list(tensors)
        if self._streams:
            return self._run(lambda: [self._reduce(tensor, op) for tensor in tensors], tensors)
        return self._queue.reduce([self._issue(tensor, op) for tensor in tensors], tensors)

    allreduce_coalesced = allreduce

    def _issue(self, tensor: torch.Tensor, op: str) -> Callable[[], Any]:
        """Begins a reduction in place when called; returns what ends it."""
        def issue() -> Callable[[], None]:
            dense = self._dense(tensor)
            request = self.communicator.all_reduce_async(dense, op=op, codec="none")

            def end() -> None:
                request.wait()
                if dense is not tensor:
                    tensor.copy_(dense)
            return end
        self._check(tensor)
        return issue

    def _reduce(self, tensor: torch.Tensor, op: str) -> None:
        dense = self._dense(tensor)
        self.communicator.all_reduce(dense, op=op, codec="none")
        if dense is not tensor:
            tensor.copy_(dense)

    def reduce(self, tensors: List[torch.Tensor], opts: Any) -> dist.Work:
        op = op_of(opts)

        def run() -> None:
            for tensor in tensors:
                result = tensor.clone(memory_format=torch.contiguous_format)
                self._reduce(result, op)
                if self.rank() == opts.rootRank:
                    tensor.copy_(result)
        return self._run(run, tensors)

    def reduce_scatter(self, outputs: List[torch.Tensor], inputs: List[List[torch.Tensor]], opts: Any = dist.ReduceOp.SUM) -> dist.Work:
        op = op_of(opts)
        return self._run(lambda: [self._scatter(output, torch.stack(parts), op) for output, parts in zip(outputs, inputs)], outputs, *inputs)

    def reduce_scatter_single(self, output: torch.Tensor, input: torch.Tensor, opts: Any = dist.ReduceOp.SUM) -> dist.Work:
        return self.reduce_scatter_single_coalesced([output], [input], opts)

    def reduce_scatter_single_coalesced(self, outputs: List[torch.Tensor], inputs: List[torch.Tensor], opts: Any = dist.ReduceOp.SUM) -> dist.Work:
        op = op_of(opts)
        return self._run(lambda: [self._scatter(output, input, op) for output, input in zip(outputs, inputs)], outputs, inputs)

    def _scatter(self, output: torch.Tensor, input: torch.Tensor, op: str) -> None:
        send = self._dense(input)
        if not self._in_order:
            rows = send.reshape(self.size(), -1)
            send = torch.empty_like(rows)
            send[self._places] = rows
        recv = self._dense(output)
        self.communicator.reduce_scatter(send, recv, op)
        if recv is not output:
            output.copy_(recv)

    # ---- Copies -----------------------------------------------------------------------------------------------------------------------

    def broadcast(self, tensors: Any, opts: Any, timeout: Any = None) -> dist.Work:
        root = opts if isinstance(opts, int) else opts.rootRank
        return self._run(lambda: [self._broadcast(tensor, root) for tensor in as_list(tensors)], as_list(tensors))

    def _broadcast(self, tensor: torch.Tensor, root: int) -> None:
        dense = self._dense(tensor)
        self.communicator.broadcast(dense, self._places[root], dtype="uint8")
        if dense is not tensor:
            tensor.copy_(dense)

    def allgather(self, outputs: List[List[torch.Tensor]], inputs: List[torch.Tensor], opts: Any = None) -> dist.Work:
        def run() -> None:
            for parts, input in zip(outputs, inputs):
                for part, row in zip(parts, self._gather(input)):
                    part.copy_(row.view(part.shape))
        return self._run(run, inputs, *outputs)

    def all_gather_single(self, output: torch.Tensor, input: torch.Tensor, opts: Any = None) -> dist.Work:
        return self.all_gather_single_coalesced([output], [input])

    def all_gather_single_coalesced(self, outputs: List[torch.Tensor], inputs: List[torch.Tensor], opts: Any = None) -> dist.Work:
        def run() -> None:
            for output, input in zip(outputs, inputs):
                if self._in_order and output.is_contiguous() and output.device == self._device:
                    self.communicator.all_gather(self._dense(input), output, dtype="uint8")
                else:
                    output.copy_(self._gather(input).view(output.shape))
        return self._run(run, outputs, inputs)

    def _gather(self, input: torch.Tensor) -> torch.Tensor:
        """A row of every rank, in the group's order."""
        dense = self._dense(input)
        rows = dense.new_empty((self.size(), dense.numel()))
        self.communicator.all_gather(dense, rows, dtype="uint8")
        return rows if self._in_order else rows[self._places]

    def gather(self, outputs: List[List[torch.Tensor]], inputs: List[torch.Tensor], opts: Any) -> dist.Work:
        def run() -> None:
            for i, input in enumerate(inputs):
                rows = self._gather(input)
                if self.rank() == opts.rootRank:
                    for part, row in zip(outputs[i], rows):
                        part.copy_(row.view(part.shape))
        return self._run(run, inputs, *outputs)

    def scatter(self, outputs: List[torch.Tensor], inputs: List[List[torch.Tensor]], opts: Any) -> dist.Work:
        def run() -> None:
            for i, output in enumerate(outputs):
                rows = output.new_empty((self.size(), *output.shape))
                if self.rank() == opts.rootRank:
                    torch.stack(inputs[i], out=rows)
                self._broadcast(rows, opts.rootRank)
                output.copy_(rows[self.rank()])
        return self._run(run, outputs, *inputs)

    def barrier(self, opts: Any = None, timeout: Any = None) -> dist.Work:
        if self._streams:
            return self._streams.run(self.communicator.barrier, [], block=True)
        return self._run(self.communicator.barrier, [])

    def _run(self, function: Callable[[], Any], results: List[torch.Tensor], *others: Sequence[torch.Tensor]) -> dist.Work:
        for tensors in (results, *others):
            for tensor in tensors:
                self._check(tensor)
        return self._streams.run(function, results, others) if self._streams else self._queue.run(function, results)

    def _check(self, tensor: torch.Tensor) -> None:
        if tensor.device == self._device or tensor.device.type == "cpu":
            return
        works_on = "host memory: make it on the GPU (pg_options=torch.device(...), or torch.cuda.set_device before)" if self._streams is None else self._device
        raise TypeError(f"a tensor is on {tensor.device}, but this group of the backend longhaul works on {works_on}")

    def _dense(self, tensor: torch.Tensor) -> torch.Tensor:
        return dense_on(self._device, tensor)

    def _start_coalescing(self, device: torch.device) -> None:
        pass

    def _end_coalescing(self, device: torch.device) -> dist.Work:
        if self._streams:
            return self._streams.all_so_far()
        return self._queue.reduce([], [])  # ends when all before it have

    def alltoall(self, *_: Any, **__: Any) -> dist.Work:
        raise NotImplementedError("the backend longhaul has no all-to-all and no send or receive: use a group of another backend for them")

    alltoall_base = all_to_all_single = send = recv = recv_anysource = alltoall

    # Names of other versions of PyTorch.
    _allgather_base = all_gather_single
    allgather_into_tensor_coalesced = all_gather_single_coalesced
    _reduce_scatter_base = reduce_scatter_single
    reduce_scatter_tensor_coalesced = reduce_scatter_single_coalesced
