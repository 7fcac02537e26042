# SPDX-License-Identifier: Apache-2.0
"""One rank's membership in the job, and its collectives."""
import ctypes
import weakref
from typing import Any, Callable, Dict, Mapping, Optional, Union

from . import _abi, _config, _group, _library, _streams
from ._abi import Codec, DataType, Op, Result, Scope
from ._buffers import HOST, Buffer, view, writable
from ._codec_plugin import DecodeAdd, Encode, PluginCall
from ._errors import Error, from_result, usage
from ._handle import Handle
from ._request import Request
from ._stats import Stats
from ._values import integer, named

DType = Union[str, DataType, None]


class Communicator:
    """One rank's membership in one group of sites.

    `Communicator()` takes everything from the environment (LONGHAUL_CONFIG, LONGHAUL_SITE, ... and the launcher's ranks);
    `Communicator("job.toml", site="atlanta")` from a file and the arguments. The environment wins over arguments, these over the
    file. For all ranks in one process see `loopback`.

    Buffers are C-contiguous memory of one of the types of `DataType`: torch tensors, numpy arrays, array.array, bytearray, memoryview,
    cupy and numba arrays, ... Their shapes do not matter, only their number of elements does. Nothing is copied. `dtype` says what is
    in the memory where the object cannot, e.g. dtype="bf16" for 16-bit integers.

    Collectives are called in the same order with equal arguments on all ranks; a difference ends in `InvalidUsageError` on every
    rank. They block until done, without holding the interpreter's lock, and end by their deadline; Ctrl-C takes effect then. In a
    `group` they return at once and end with it. They raise TypeError or ValueError for memory that cannot be sent and
    `InvalidArgumentError`, `UnsupportedError` for arguments the library refuses (nothing was sent; the communicator stays usable), and
    other `Error`s for what happened on the way (final for the communicator).

    With `device` the communicator works on that GPU: buffers are its memory, and collectives go in a stream and return at once, in a group
    too. A call begins when its stream has come to it, and the stream goes on when it is done. What is put into the stream afterwards sees
    the result and may overwrite or free the buffers; nothing else may, until the stream has passed the call or a `Request` has ended.
    `stream` is a cudaStream_t as an integer, or a stream of torch, of cupy or with __cuda_stream__. Without one: torch's current stream for
    torch tensors (and for a barrier where torch uses CUDA), the stream in which other arrays say that they were written, else CUDA's default
    stream. A call that fails lets its stream go on, with anything in its buffers: ready() raises what happened, and so do later calls.

    Close it, best by `with`. close() of one that other threads use aborts their calls.
    """

    def __init__(self, config: Any = None, *, run_id: Optional[str] = None, site: Optional[str] = None, site_rank: int = -1,
                 site_size: int = -1, site_address: Optional[str] = None, sites: _config.Text = None, wan: _config.Text = None,
                 oob: Optional[_config.AllGather] = None, device: int = -1, blocking: bool = True) -> None:
        """Joins the job as one rank. Blocks until all ranks of all sites are connected; raises an `Error` that names who is missing
        by wan.timeout (60 s).

        config: path of the TOML file. run_id: must match at every site. site: this rank's site. site_rank, site_size: this rank in its
        site, -1: from the launcher's environment. site_address: "host:port" where this site's rank 0 gathers its ranks.
        sites: {"name": "host:port", ...} or "name=host:port,...". wan: {"codec": "i8", "timeout": "60s"} or "codec=i8,timeout=60s",
        keys of docs/configuration.md. oob: in-site all-gather in place of site_address: called with this rank's bytes, returns the list
        of all ranks' bytes in the order of the site's ranks; called inside this function only (with blocking=False on another thread);
        needs site_rank and site_size. device: -1, host memory, else the number of the GPU; all ranks of a site have one, or none.
        blocking: False returns at once, then ask ready().
        """
        made, oob_call = _config.make(config, run_id, site, site_rank, site_size, site_address, sites, wan, oob, device, blocking)
        library = _library.load()
        self._join(lambda comm: library.lhCommInit(comm, ctypes.byref(made)), oob_call)

    @classmethod
    def from_nccl(cls, nccl: int, config: Any = None, *, run_id: Optional[str] = None, site: Optional[str] = None, sites: _config.Text = None,
                  wan: _config.Text = None, device: int = -1, blocking: bool = True) -> "Communicator":
        """As Communicator() for the ranks of an NCCL communicator that exists already: they are those of one site, and their places and GPUs
        come from it. Called by all of them, while nothing else uses it; it stays the caller's, and Longhaul makes two of its own from it.

        nccl: the ncclComm_t as an integer, e.g. cupy's or that of PyTorch's ProcessGroupNCCL. device: -1, or the same.
        """
        pointer = integer(nccl, "nccl", 0, 2**64 - 1)
        made, _ = _config.make(config, run_id, site, sites=sites, wan=wan, device=device, blocking=blocking)
        library = _library.load()
        communicator = cls.__new__(cls)
        communicator._join(lambda comm: library.lhCommInitNccl(comm, pointer, ctypes.byref(made)))
        return communicator

    def _join(self, init: Callable[[Any], int], oob_call: Any = None) -> None:
        library = _library.load()
        comm = ctypes.c_void_p()
        result = init(ctypes.byref(comm))
        if result not in (Result.SUCCESS, Result.IN_PROGRESS):
            raise from_result(library, result) from (oob_call.error if oob_call else None)
        self._adopt(Handle(library, comm, oob_call))

    def _adopt(self, handle: Handle) -> None:
        self._handle = handle
        self._answers: dict = {}
        weakref.finalize(self, handle.close)

    # ---- Who and where --------------------------------------------------------------------------------------------------

    @property
    def rank(self) -> int:
        """This rank among all sites' ranks, site-major."""
        return self._ask("lhCommUserRank")

    @property
    def size(self) -> int:
        """Ranks of all sites."""
        return self._ask("lhCommCount")

    @property
    def site(self) -> int:
        """Index of this rank's site."""
        return self._ask("lhCommSite")

    @property
    def site_count(self) -> int:
        """Number of sites."""
        return self._ask("lhCommSiteCount")

    @property
    def site_rank(self) -> int:
        """This rank inside its site."""
        return self._ask("lhCommSiteRank")

    @property
    def site_size(self) -> int:
        """Ranks of this rank's site."""
        return self._ask("lhCommSiteSize")

    @property
    def device(self) -> int:
        """The GPU it works on; -1: host memory."""
        return self._ask("lhCommCuDevice")

    def _ask(self, question: str) -> int:
        answer = self._answers.get(question)
        if answer is None:
            value = ctypes.c_int()
            self._call(question, ctypes.byref(value))
            answer = self._answers[question] = value.value
        return answer

    def ready(self) -> bool:
        """False while a bring-up with blocking=False runs, True when the communicator can be used. Raises its final `Error`, as
        later for a communicator that has failed. Never blocks."""
        state = ctypes.c_int()
        handle = self._handle
        handle.enter()
        try:
            result = handle.functions.lhCommGetAsyncError(handle.comm, ctypes.byref(state))
            if result != Result.SUCCESS:
                raise from_result(handle.functions, result)
            if state.value not in (Result.SUCCESS, Result.IN_PROGRESS):
                raise from_result(handle.functions, state.value, handle.comm)
        finally:
            handle.leave()
        return state.value == Result.SUCCESS

    def stats(self) -> Stats:
        """The counters now. Never blocks."""
        made = _abi.StatsFields()
        self._call("lhCommGetStats", ctypes.byref(made))
        return Stats(*(getattr(made, name) for name, _ in _abi.StatsFields._fields_[3:]))

    # ---- Collectives ----------------------------------------------------------------------------------------------------

    def all_reduce(self, send: Any, recv: Any = None, op: Union[str, Op] = "sum", *, codec: Union[str, int, Codec] = "default",
                   scope: Union[str, Scope] = "default", tag: int = 0, timeout: Optional[float] = None,
                   error_feedback: bool = False, dtype: DType = None, stream: Any = None) -> None:
        """recv[i] = op over all ranks of send[i]; without recv in place. Blocks (on a GPU only the stream). Every rank gets identical bits.

        send, recv: n elements of one type. op: sum, prod, max, min, avg. codec: default (the configuration's), none, bf16, i8, r4, f4,
        r2, lossless. scope: global, or rail (only across sites). tag: non-zero name of this bucket. timeout: seconds, None:
        wan.timeout. error_feedback: what the codec loses is added to the next call with this tag. codec and scope must be equal on all ranks.
        """
        self._all_reduce(send, recv, op, (codec, scope, tag, timeout, error_feedback), dtype, stream, None)

    def all_reduce_async(self, send: Any, recv: Any = None, op: Union[str, Op] = "sum", *, codec: Union[str, int, Codec] = "default",
                         scope: Union[str, Scope] = "default", tag: int = 0, timeout: Optional[float] = None,
                         error_feedback: bool = False, dtype: DType = None, stream: Any = None) -> Request:
        """As all_reduce, but returns at once, in a group too; raises only what is wrong with the call itself. The buffers are in use
        until the request's wait(). On a GPU too, where the stream waits for it as well, and wait() blocks the caller."""
        pointer = ctypes.c_void_p()
        buffers = self._all_reduce(send, recv, op, (codec, scope, tag, timeout, error_feedback), dtype, stream, pointer)
        return Request(self._handle, pointer, buffers)

    def _all_reduce(self, send: Any, recv: Any, op: Any, options: Any, dtype: DType, stream: Any, request: Optional[ctypes.c_void_p]) -> Any:
        if recv is None:
            source = target = writable(send, "send (in place)", dtype)
        else:
            source, target = view(send, "send", dtype), writable(recv, "recv", dtype)
            _same_type(source, target)
            if source.count != target.count:
                raise ValueError(f"all_reduce: send has {source.count} elements and recv {target.count}: they must have equally many")
        made = _config.call_options(*options)
        reference = None if made is None else ctypes.byref(made)
        place = None if request is None else ctypes.byref(request)
        way = self._stream(stream, ("send", source), ("recv", target))
        self._issue("lhAllReduceEx", (source, target), request is not None, source.pointer, target.pointer, source.count, source.type,
                    _op(op), reference, self._handle.comm, way, place)
        return source, target

    def reduce_scatter(self, send: Any, recv: Any, op: Union[str, Op] = "sum", *, dtype: DType = None, stream: Any = None) -> None:
        """Rank r receives elements [r * n, (r + 1) * n) of the reduction. Blocks.

        send: size * n elements; recv: n elements of the same type. In place: recv is that part of send.
        """
        source, target = view(send, "send", dtype), writable(recv, "recv", dtype)
        _same_type(source, target)
        _times(self.size, "reduce_scatter", "send", source.count, "recv", target.count)
        way = self._stream(stream, ("send", source), ("recv", target))
        self._issue("lhReduceScatter", (source, target), False, source.pointer, target.pointer, target.count, target.type, _op(op),
                    self._handle.comm, way)

    def all_gather(self, send: Any, recv: Any, *, dtype: DType = None, stream: Any = None) -> None:
        """recv = all ranks' send, in rank order. Blocks.

        send: n elements; recv: size * n elements of the same type. In place: send is part `rank` of recv.
        """
        source, target = view(send, "send", dtype), writable(recv, "recv", dtype)
        _same_type(source, target)
        _times(self.size, "all_gather", "recv", target.count, "send", source.count)
        way = self._stream(stream, ("send", source), ("recv", target))
        self._issue("lhAllGather", (source, target), False, source.pointer, target.pointer, source.count, source.type,
                    self._handle.comm, way)

    def broadcast(self, buffer: Any, root: int = 0, *, dtype: DType = None, stream: Any = None) -> None:
        """The root's n elements to all ranks' buffers of n elements. Blocks."""
        target = writable(buffer, "buffer", dtype)
        way = self._stream(stream, ("buffer", target))
        self._issue("lhBroadcast", target, False, target.pointer, target.pointer, target.count, target.type,
                    integer(root, "root", -(2**31), 2**31 - 1), self._handle.comm, way)

    def barrier(self, *, stream: Any = None) -> None:
        """Returns when every rank has called it. Blocks; with a device the stream waits, and nothing else."""
        self._issue("lhBarrier", None, False, self._handle.comm, self._stream(stream))

    def _stream(self, stream: Any, *buffers: Any) -> Optional[int]:
        device = self._answers.get("lhCommCuDevice")
        if device is None:
            device = self.device
        if device == HOST and stream is None and all(buffer.device == HOST for _, buffer in buffers):
            return None
        return _streams.choose(device, stream, *buffers)

    def _issue(self, name: str, buffers: Any, free: bool, *arguments: Any) -> None:
        """Calls a collective; in a group, it is in use until the group ends, unless it is `free` of it (has a request)."""
        handle, calls = self._handle, _group.current
        handle.enter()
        grouped = False
        try:
            result = getattr(handle.functions, name)(*arguments)
            if result != Result.SUCCESS:
                raise from_result(handle.functions, result)
            grouped = calls.depth > 0 and not free and self._answers.get("lhCommCuDevice", HOST) == HOST  # on a GPU it returns at once
        finally:
            if grouped:
                calls.held.append((self, buffers))
            else:
                handle.leave()

    def _call(self, name: str, *arguments: Any) -> None:
        handle = self._handle
        handle.enter()
        try:
            result = getattr(handle.functions, name)(handle.comm, *arguments)
            if result != Result.SUCCESS:
                raise from_result(handle.functions, result)
        finally:
            handle.leave()

    def register_codec(self, name: str, encode: Encode, decode_add: DecodeAdd, *, format: int, block_values: int = 1, block_bytes: int = 4,
                       header_bytes: int = 0) -> int:
        """Adds a codec of the caller's to this communicator (docs/codecs.md): the number that calls give as `codec`. Does not communicate.

        encode(values, seed): values is a read-only memoryview of floats; returns the blob, or None where it cannot carry these values.
        decode_add(blob, total): total[i] += decoded[i]; raises for what encode cannot have written. They run on a thread of the library's,
        and must not call Longhaul. A blob of n values has at most header_bytes + ceil(n / block_values) * block_bytes bytes. name, format
        and these bounds must be equal on all ranks.
        """
        call = PluginCall(name, encode, decode_add, format, block_values, block_bytes, header_bytes)
        number = ctypes.c_int()
        self._call("lhCommRegisterCodec", ctypes.byref(call.structure), ctypes.byref(number))
        self._handle.plugins.append(call)
        return number.value

    # ---- Checkpoints ----------------------------------------------------------------------------------------------------

    def state_dict(self) -> Dict[str, Any]:
        """For a checkpoint, every rank its own: "feedback", the error-feedback states by tag (bytes), and "calls", the number of calls, by
        which r4, r2 and plug-ins rotate. Does not communicate."""
        count = ctypes.c_size_t()
        self._call("lhCommFeedbackTags", None, ctypes.byref(count))
        tags = (ctypes.c_uint64 * max(1, count.value))()
        self._call("lhCommFeedbackTags", tags, ctypes.byref(count))
        states = {}
        for tag in tags[: count.value]:
            size = ctypes.c_size_t()
            self._call("lhCommFeedbackExport", tag, None, ctypes.byref(size))
            state = ctypes.create_string_buffer(max(1, size.value))
            self._call("lhCommFeedbackExport", tag, state, ctypes.byref(size))
            states[tag] = state.raw[: size.value]
        calls = ctypes.c_uint64()
        self._call("lhCommGetCallCount", ctypes.byref(calls))
        return {"calls": calls.value, "feedback": states}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues as after state_dict() of the same rank of a job of the same shape: all error-feedback states are replaced, also by none,
        and calls count on from there. All ranks between the same calls, behind the last one that the first run did not have: then the
        bits are the same. Raises InvalidArgumentError for bytes that are none or damaged. Does not communicate."""
        if unknown := set(state) - {"calls", "feedback"}:
            raise ValueError(f"{', '.join(map(repr, sorted(map(str, unknown))))} in the state: it is what state_dict() returns")
        self._call("lhCommFeedbackReset", 0)
        for tag, residuals in state.get("feedback", {}).items():
            self._call("lhCommFeedbackImport", integer(tag, "tag", 0, 2**64 - 1), bytes(residuals), len(residuals))
        if "calls" in state:
            self._call("lhCommSetCallCount", integer(state["calls"], "calls", 0, 2**64 - 1))

    def reset_feedback(self, tag: int = 0) -> None:
        """Forgets this rank's error-feedback state of `tag`, of all tags with 0; for a tag that has none it does nothing. Does not
        communicate."""
        self._call("lhCommFeedbackReset", integer(tag, "tag", 0, 2**64 - 1))

    # ---- The end --------------------------------------------------------------------------------------------------------

    def finalize(self) -> None:
        """Called by all ranks: waits until everything issued is done and every rank got here. Blocks up to 10 s."""
        self._issue("lhCommFinalize", None, False, self._handle.comm)

    def abort(self) -> None:
        """From any thread, without blocking: calls under way raise AbortedError, the other ranks' RemoteError. close() it later."""
        self._call("lhCommAbort")

    def close(self) -> None:
        """Frees the communicator; pending requests end with AbortedError. Blocks up to 10 s for what other ranks still need. A second
        time it does nothing."""
        if _group.current.has(self):
            raise usage("close() inside a group that uses the communicator: end the group first")
        self._handle.close()

    @property
    def closed(self) -> bool:
        return self._handle.closed

    def __enter__(self) -> "Communicator":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        if self.closed:
            return "<longhaul.Communicator, closed>"
        try:
            return f"<longhaul.Communicator: rank {self.rank} of {self.size}, site {self.site} of {self.site_count}>"
        except Error as error:
            return f"<longhaul.Communicator: {error}>"


def _op(value: Any) -> Op:
    return named(_config.OPS, value, "op", _config.OP_NAMES)


def _same_type(send: Buffer, recv: Buffer) -> None:
    if send.type is not recv.type:
        raise TypeError(f"send has elements of {send.type.name.lower()} and recv of {recv.type.name.lower()}: they must be of one type")


def _times(ranks: int, call: str, larger: str, large: int, smaller: str, small: int) -> None:
    if large != ranks * small:
        raise ValueError(f"{call}: {larger} has {large} elements and {smaller} {small}: with {ranks} ranks {larger} must have "
                         f"{ranks * small}")
