# SPDX-License-Identifier: Apache-2.0
"""One rank's membership in the job, and its collectives."""
import ctypes
import weakref
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from . import _abi, _config, _group, _library
from ._abi import Codec, DataType, Op, Result, Scope
from ._buffers import Buffer, integer, named, view, writable
from ._codec_plugin import DecodeAdd, Encode, PluginCall
from ._errors import Error, from_result, usage
from ._handle import Handle
from ._request import Request

DType = Union[str, DataType, None]
_SANE_SITE = 1 << 16  # the library knows the real limits and names them


@dataclass(frozen=True)
class Stats:
    """Counters of one communicator since its bring-up (lhStats_t; longhaul.h says more)."""

    operations: int  #: completed well
    failed_operations: int  #: ended with an error; refused calls do not count
    payload_bytes: int  #: what this rank contributed to the WAN, before the codec
    wan_bytes_sent: int  #: frames, acknowledgements and resent frames included
    wan_bytes_received: int
    resent_bytes: int
    reconnects: int  #: streams replaced after bring-up
    dropped_frames: int  #: of strangers, damaged, duplicate or stale
    rtt_ns: int  #: smoothed round trip to the farthest site, in ns; 0 until measured
    peak_memory_bytes: int  #: of the library's own buffers
    streams: int  #: connections to other sites that are up now
    window_bytes: int  #: the largest window granted to a peer at another site now
    chunk_bytes: int  #: of the last call that moved data
    link_rate: int  #: bits a second that a link carries each way; 0: not known
    feedback_bytes: int  #: of all error-feedback states now
    gpu_chunks: int  #: encoded and added up by kernels on the GPU
    gpu_reduce_scatter_ns: int  #: how long the GPU was in each phase of the chunks, all together; 0 without LONGHAUL_TRACE
    gpu_encode_ns: int
    gpu_decode_ns: int
    gpu_all_gather_ns: int


class Communicator:
    """One rank's membership in one group of sites.

    `Communicator()` takes everything from the environment (LONGHAUL_CONFIG, LONGHAUL_SITE, ... and the launcher's ranks);
    `Communicator("job.toml", site="atlanta")` from a file and the arguments. The environment wins over arguments, these over the
    file. For all ranks in one process see `loopback`.

    Buffers are C-contiguous memory of one of the types of `DataType`: numpy arrays, torch tensors on the CPU, array.array,
    bytearray, memoryview, ... Their shapes do not matter, only their number of elements does. Nothing is copied. `dtype` says what is
    in the memory where the object cannot, e.g. dtype="bf16" for 16-bit integers.

    Collectives are called in the same order with equal arguments on all ranks; a difference ends in `InvalidUsageError` on every
    rank. They block until done, without holding the interpreter's lock, and end by their deadline; Ctrl-C takes effect then. In a
    `group` they return at once and end with it. They raise TypeError or ValueError for memory that cannot be sent and
    `InvalidArgumentError`, `UnsupportedError` for arguments the library refuses (nothing was sent; the communicator stays usable), and
    other `Error`s for what happened on the way (final for the communicator).

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
        needs site_rank and site_size. device: -1, host memory. blocking: False returns at once, then ask ready().
        """
        library = _library.load()
        made, oob_call = _config.make(config, run_id, site, site_rank, site_size, site_address, sites, wan, oob, device, blocking)
        comm = ctypes.c_void_p()
        result = library.lhCommInit(ctypes.byref(comm), ctypes.byref(made))
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
                   error_feedback: bool = False, dtype: DType = None) -> None:
        """recv[i] = op over all ranks of send[i]; without recv in place. Blocks. Every rank gets identical bits.

        send, recv: n elements of one type. op: sum, prod, max, min, avg. codec: default (the configuration's), none, bf16, i8, r4, f4,
        r2, lossless. scope: global, or rail (only across sites). tag: non-zero name of this bucket. timeout: seconds, None:
        wan.timeout. error_feedback: what the codec loses is added to the next call with this tag. codec and scope must be equal on all ranks.
        """
        self._all_reduce(send, recv, op, (codec, scope, tag, timeout, error_feedback), dtype, None)

    def all_reduce_async(self, send: Any, recv: Any = None, op: Union[str, Op] = "sum", *, codec: Union[str, int, Codec] = "default",
                         scope: Union[str, Scope] = "default", tag: int = 0, timeout: Optional[float] = None,
                         error_feedback: bool = False, dtype: DType = None) -> Request:
        """As all_reduce, but returns at once, in a group too; raises only what is wrong with the call itself. The buffers are in use
        until the request's wait()."""
        pointer = ctypes.c_void_p()
        buffers = self._all_reduce(send, recv, op, (codec, scope, tag, timeout, error_feedback), dtype, pointer)
        return Request(self._handle, pointer, buffers)

    def _all_reduce(self, send: Any, recv: Any, op: Any, options: Any, dtype: DType, request: Optional[ctypes.c_void_p]) -> Any:
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
        self._issue("lhAllReduceEx", (source, target), request is not None, source.pointer, target.pointer, source.count, source.type,
                    _op(op), reference, self._handle.comm, None, place)
        return source, target

    def reduce_scatter(self, send: Any, recv: Any, op: Union[str, Op] = "sum", *, dtype: DType = None) -> None:
        """Rank r receives elements [r * n, (r + 1) * n) of the reduction. Blocks.

        send: size * n elements; recv: n elements of the same type. In place: recv is that part of send.
        """
        source, target = view(send, "send", dtype), writable(recv, "recv", dtype)
        _same_type(source, target)
        _times(self.size, "reduce_scatter", "send", source.count, "recv", target.count)
        self._issue("lhReduceScatter", (source, target), False, source.pointer, target.pointer, target.count, target.type, _op(op),
                    self._handle.comm, None)

    def all_gather(self, send: Any, recv: Any, *, dtype: DType = None) -> None:
        """recv = all ranks' send, in rank order. Blocks.

        send: n elements; recv: size * n elements of the same type. In place: send is part `rank` of recv.
        """
        source, target = view(send, "send", dtype), writable(recv, "recv", dtype)
        _same_type(source, target)
        _times(self.size, "all_gather", "recv", target.count, "send", source.count)
        self._issue("lhAllGather", (source, target), False, source.pointer, target.pointer, source.count, source.type,
                    self._handle.comm, None)

    def broadcast(self, buffer: Any, root: int = 0, *, dtype: DType = None) -> None:
        """The root's n elements to all ranks' buffers of n elements. Blocks."""
        target = writable(buffer, "buffer", dtype)
        self._issue("lhBroadcast", target, False, target.pointer, target.pointer, target.count, target.type,
                    integer(root, "root", -(2**31), 2**31 - 1), self._handle.comm, None)

    def barrier(self) -> None:
        """Returns when every rank has called it. Blocks."""
        self._issue("lhBarrier", None, False, self._handle.comm, None)

    def _issue(self, name: str, buffers: Any, free: bool, *arguments: Any) -> None:
        """Calls a collective; in a group, it is in use until the group ends, unless it is `free` of it (has a request)."""
        handle, calls = self._handle, _group.current
        handle.enter()
        grouped = False
        try:
            result = getattr(handle.functions, name)(*arguments)
            if result != Result.SUCCESS:
                raise from_result(handle.functions, result)
            grouped = calls.depth > 0 and not free
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

    # ---- Error feedback -------------------------------------------------------------------------------------------------

    def state_dict(self) -> Dict[int, bytes]:
        """This rank's error-feedback states by tag, for a checkpoint: every rank saves its own. Does not communicate."""
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
        return states

    def load_state_dict(self, states: Mapping[int, bytes]) -> None:
        """Replaces all error-feedback states of this rank by those of state_dict() of the same rank of a job of the same shape. Raises
        InvalidArgumentError for bytes that are none or damaged. Does not communicate."""
        self._call("lhCommFeedbackReset", 0)
        for tag, state in states.items():
            self._call("lhCommFeedbackImport", integer(tag, "tag", 0, 2**64 - 1), bytes(state), len(state))

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


class Communicators(List[Communicator]):
    """All ranks of a loopback job, in rank order; `with` closes them all."""

    def close(self) -> None:
        for communicator in self:
            communicator.close()

    def __enter__(self) -> "Communicators":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def loopback(site_sizes: Sequence[int], *, config: Any = None, wan: _config.Text = None) -> Communicators:
    """All ranks of sites of these sizes (1 to 8 sites) in this process: communicators in rank order. The WAN is in memory, shaped by
    wan's emulate_* keys, e.g. wan={"emulate_rtt": "15ms", "emulate_rate": "1gbit"}. Of the configuration only the file and wan
    count. Drive each rank from a thread of its own, or all from one with `group`."""
    library = _library.load()
    sizes = [integer(size, "a site's size", 0, _SANE_SITE) for size in site_sizes]
    made, _ = _config.make(config, wan=wan)
    comms = (ctypes.c_void_p * (sum(sizes) + 1))()
    result = library.lhCommInitLoopback(comms, (ctypes.c_int * len(sizes))(*sizes), len(sizes), ctypes.byref(made))
    if result != Result.SUCCESS:
        raise from_result(library, result)
    made_all = Communicators()
    for pointer in comms[: sum(sizes)]:
        communicator = Communicator.__new__(Communicator)
        communicator._adopt(Handle(library, ctypes.c_void_p(pointer)))
        made_all.append(communicator)
    return made_all


def _op(value: Any) -> Op:
    return named(_config.OPS, value, "op", _config.OP_NAMES)


def _same_type(send: Buffer, recv: Buffer) -> None:
    if send.type is not recv.type:
        raise TypeError(f"send has elements of {send.type.name.lower()} and recv of {recv.type.name.lower()}: they must be of one type")


def _times(ranks: int, call: str, larger: str, large: int, smaller: str, small: int) -> None:
    if large != ranks * small:
        raise ValueError(f"{call}: {larger} has {large} elements and {smaller} {small}: with {ranks} ranks {larger} must have "
                         f"{ranks * small}")
