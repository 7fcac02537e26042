# SPDX-License-Identifier: Apache-2.0
"""In which stream does a call on GPU memory go, and does its memory fit the communicator?

torch is never imported here: who has tensors of it has loaded it.
"""
import sys
from typing import Any, NoReturn, Optional, Tuple

from ._abi import Result
from ._buffers import HOST, SOME_GPU, Buffer
from ._errors import InvalidArgumentError
from ._values import integer

_LEGACY = 0  # CUDA's default stream
_HANDLES = 2**64 - 1


def choose(device: int, stream: Any, *named: Tuple[str, Buffer]) -> Optional[int]:
    """The stream of a call on these buffers of a communicator on `device`; None on host memory. Raises InvalidArgumentError for memory that
    is elsewhere."""
    for name, buffer in named:
        if buffer.device != device:
            _check_place(device, name, buffer)
    if device == HOST:
        if stream is not None:
            raise ValueError("stream is given, but this communicator works on host memory: leave stream out, or make the communicator with device=")
        return None
    buffers = list(dict.fromkeys(buffer for _, buffer in named))  # in place: once
    handle = _implied(device, buffers) if stream is None else handle_of(stream, device)
    for buffer in buffers:
        if buffer.tensor:
            _record(buffer.keep, stream, handle, device)
    return handle


def handle_of(stream: Any, device: int) -> int:
    """The cudaStream_t of what a caller gives as `stream`."""
    place = _place_of(stream)
    if place is not None and place != device:
        raise InvalidArgumentError(Result.INVALID_ARGUMENT, f"stream is one of GPU {place}, but this communicator works on GPU {device}")
    if hasattr(stream, "cuda_stream"):  # torch
        handle = stream.cuda_stream
    elif hasattr(stream, "__cuda_stream__"):
        found = stream.__cuda_stream__  # a method in newer versions of the protocol, an attribute in older ones
        handle = (found() if callable(found) else found)[1]
    elif hasattr(stream, "ptr"):  # cupy
        handle = stream.ptr
    else:
        handle = stream
    if isinstance(handle, bool) or not hasattr(handle, "__index__"):
        raise TypeError(f"stream is a {type(stream).__name__}: pass a cudaStream_t as an integer, or a stream of torch, of cupy or with "
                        f"__cuda_stream__")
    return integer(handle, "stream", 0, _HANDLES)


def _place_of(stream: Any) -> Optional[int]:
    place = getattr(getattr(stream, "device", None), "index", None)  # torch
    if place is None:
        place = getattr(stream, "device_id", None)  # cupy; -1: not known
    return place if isinstance(place, int) and place >= 0 else None


def _implied(device: int, buffers: Any) -> int:
    torch = sys.modules.get("torch")
    if any(buffer.tensor for buffer in buffers) or (not buffers and torch is not None and torch.cuda.is_initialized()):
        return torch.cuda.current_stream(device).cuda_stream  # type: ignore[union-attr]
    written = {buffer.stream for buffer in buffers if buffer.stream is not None}
    if len(written) > 1:
        raise ValueError(f"the arrays were written in different streams ({', '.join(map(str, sorted(written)))}): order these, and pass stream=")
    return written.pop() if written else _LEGACY


def _record(tensor: Any, stream: Any, handle: int, device: int) -> None:
    """Tells torch's allocator that `stream` uses the tensor: freed, its memory comes back when the stream has passed the call."""
    cuda = sys.modules["torch"].cuda
    if stream is None:
        stream = cuda.current_stream(device)
    elif not hasattr(stream, "cuda_stream"):
        stream = cuda.ExternalStream(handle, device=device) if handle > 1 else cuda.default_stream(device)
    tensor.record_stream(stream)


def _check_place(device: int, name: str, buffer: Buffer) -> None:
    if buffer.device is SOME_GPU or buffer.count == 0:  # the library asks the driver; nothing is read
        return
    if device == HOST:
        _refuse(f"{name} is memory of GPU {buffer.device}, but this communicator works on host memory: make it with device={buffer.device}, or pass a "
                f"copy on the CPU")
    if buffer.device == HOST:
        _refuse(f"{name} is host memory, but this communicator works on GPU {device}: pass memory of that GPU, or use a communicator with device=-1")
    _refuse(f"{name} is memory of GPU {buffer.device}, but this communicator works on GPU {device}")


def _refuse(text: str) -> NoReturn:
    raise InvalidArgumentError(Result.INVALID_ARGUMENT, text)
