# SPDX-License-Identifier: Apache-2.0
"""longhaul.h in ctypes: its numbers, its structures, its functions. tests/test_abi.py compares all three with the header."""
import ctypes
import enum

VERSION = (0, 1)  # of longhaul.h; the library must have the same

CONFIG_MAGIC = 0x4C48636F
CALL_CONFIG_MAGIC = 0x4C486361
STATS_MAGIC = 0x4C487374
CODEC_PLUGIN_MAGIC = 0x4C486370
VERSION_CODE = VERSION[0] * 10000 + VERSION[1] * 100


class Result(enum.IntEnum):
    """What a call returned (lhResult_t). `Error.code` is one of these."""

    SUCCESS = 0
    UNHANDLED_CUDA_ERROR = 1
    SYSTEM_ERROR = 2
    INTERNAL_ERROR = 3
    INVALID_ARGUMENT = 4
    INVALID_USAGE = 5
    REMOTE_ERROR = 6
    IN_PROGRESS = 7
    TIMEOUT = 8
    SITE_LOST = 16
    AUTH_FAILED = 17
    DATA_CORRUPT = 18
    ABORTED = 19
    UNSUPPORTED = 20


class DataType(enum.IntEnum):
    """The type of one element (lhDataType_t)."""

    INT8 = 0
    UINT8 = 1
    INT32 = 2
    UINT32 = 3
    INT64 = 4
    UINT64 = 5
    FLOAT16 = 6
    FLOAT32 = 7
    FLOAT64 = 8
    BFLOAT16 = 9

    @property
    def size(self) -> int:
        """Bytes of one element."""
        return _SIZES[self]


_SIZES = (1, 1, 4, 4, 8, 8, 2, 4, 8, 2)


class Op(enum.IntEnum):
    """How elements are reduced (lhRedOp_t). AVG sums, then divides once by the ranks (in the rail scope by the sites)."""

    SUM = 0
    PROD = 1
    MAX = 2
    MIN = 3
    AVG = 4


class Codec(enum.IntEnum):
    """What crosses the WAN (lhCodec_t), see docs/codecs.md. Ignored for integers, float64, PROD, MAX and MIN."""

    DEFAULT = 0
    NONE = 1
    BF16 = 2
    I8 = 3
    R4 = 4
    F4 = 5
    R2 = 6
    LOSSLESS = 7


class Scope(enum.IntEnum):
    """Who is reduced with whom (lhScope_t). RAIL: only across sites, the input is this rank's shard."""

    DEFAULT = 0
    GLOBAL = 1
    RAIL = 2


class _Extensible(ctypes.Structure):
    """A structure that starts with its size, a magic number and the version it was compiled for."""

    MAGIC = 0

    def __init__(self) -> None:
        super().__init__()
        self.size = ctypes.sizeof(self)
        self.magic = self.MAGIC
        self.version = VERSION_CODE


_HEAD = [("size", ctypes.c_size_t), ("magic", ctypes.c_uint), ("version", ctypes.c_uint)]

AllGatherFunction = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


class Oob(ctypes.Structure):
    C_NAME = "lhOob_t"
    _fields_ = [("context", ctypes.c_void_p), ("allgather", AllGatherFunction)]


EncodeFunction = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_size_t,
                                  ctypes.POINTER(ctypes.c_size_t))
DecodeAddFunction = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p)


class CodecPlugin(_Extensible):
    C_NAME = "lhCodecPlugin_t"
    MAGIC = CODEC_PLUGIN_MAGIC
    _fields_ = _HEAD + [
        ("name", ctypes.c_char_p),
        ("format", ctypes.c_uint),
        ("blockValues", ctypes.c_uint),
        ("blockBytes", ctypes.c_uint),
        ("headerBytes", ctypes.c_uint),
        ("context", ctypes.c_void_p),
        ("encode", EncodeFunction),
        ("decodeAdd", DecodeAddFunction),
    ]


class Config(_Extensible):
    C_NAME = "lhConfig_t"
    MAGIC = CONFIG_MAGIC
    _fields_ = _HEAD + [
        ("file", ctypes.c_char_p),
        ("runId", ctypes.c_char_p),
        ("site", ctypes.c_char_p),
        ("siteRank", ctypes.c_int),
        ("siteSize", ctypes.c_int),
        ("siteAddress", ctypes.c_char_p),
        ("sites", ctypes.c_char_p),
        ("wan", ctypes.c_char_p),
        ("oob", ctypes.POINTER(Oob)),
        ("device", ctypes.c_int),
        ("blocking", ctypes.c_int),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.siteRank = self.siteSize = self.device = -1
        self.blocking = 1


class CallConfig(_Extensible):
    C_NAME = "lhCallConfig_t"
    MAGIC = CALL_CONFIG_MAGIC
    _fields_ = _HEAD + [
        ("codec", ctypes.c_int),
        ("scope", ctypes.c_int),
        ("tag", ctypes.c_uint64),
        ("errorFeedback", ctypes.c_int),
        ("timeoutMs", ctypes.c_uint),
    ]


class StatsFields(_Extensible):
    C_NAME = "lhStats_t"
    MAGIC = STATS_MAGIC
    _fields_ = _HEAD + [
        (name, ctypes.c_uint64)
        for name in (
            "operations", "failedOperations", "payloadBytes", "wanBytesSent", "wanBytesReceived", "resentBytes", "reconnects",
            "droppedFrames", "rttNs", "peakMemoryBytes", "streams", "windowBytes", "chunkBytes", "linkRate", "feedbackBytes",
            "gpuChunks", "gpuReduceScatterNs", "gpuEncodeNs", "gpuDecodeNs", "gpuAllGatherNs")
    ]


STRUCTURES = (Oob, Config, CallConfig, StatsFields, CodecPlugin)

_POINTER, _SIZE, _INT = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
_INT_OUT, _COMM, _STREAM = ctypes.POINTER(ctypes.c_int), ctypes.c_void_p, ctypes.c_void_p

# name: arguments. All return lhResult_t but those in TEXT_FUNCTIONS.
FUNCTIONS = {
    "lhGetVersion": [_INT_OUT],
    "lhGetErrorString": [_INT],
    "lhGetLastError": [_COMM],
    "lhCommInit": [ctypes.POINTER(_COMM), ctypes.POINTER(Config)],
    "lhCommInitLoopback": [ctypes.POINTER(_COMM), _INT_OUT, _INT, ctypes.POINTER(Config)],
    "lhCommFinalize": [_COMM],
    "lhCommDestroy": [_COMM],
    "lhCommAbort": [_COMM],
    "lhCommGetAsyncError": [_COMM, _INT_OUT],
    "lhCommCount": [_COMM, _INT_OUT],
    "lhCommUserRank": [_COMM, _INT_OUT],
    "lhCommSiteCount": [_COMM, _INT_OUT],
    "lhCommSite": [_COMM, _INT_OUT],
    "lhCommSiteSize": [_COMM, _INT_OUT],
    "lhCommSiteRank": [_COMM, _INT_OUT],
    "lhCommCuDevice": [_COMM, _INT_OUT],
    "lhCommGetStats": [_COMM, ctypes.POINTER(StatsFields)],
    "lhAllReduce": [_POINTER, _POINTER, _SIZE, _INT, _INT, _COMM, _STREAM],
    "lhAllReduceEx": [_POINTER, _POINTER, _SIZE, _INT, _INT, ctypes.POINTER(CallConfig), _COMM, _STREAM,
                      ctypes.POINTER(_POINTER)],
    "lhReduceScatter": [_POINTER, _POINTER, _SIZE, _INT, _INT, _COMM, _STREAM],
    "lhAllGather": [_POINTER, _POINTER, _SIZE, _INT, _COMM, _STREAM],
    "lhBroadcast": [_POINTER, _POINTER, _SIZE, _INT, _INT, _COMM, _STREAM],
    "lhBarrier": [_COMM, _STREAM],
    "lhCommRegisterCodec": [_COMM, ctypes.POINTER(CodecPlugin), _INT_OUT],
    "lhCommFeedbackTags": [_COMM, ctypes.POINTER(ctypes.c_uint64), ctypes.POINTER(_SIZE)],
    "lhCommFeedbackExport": [_COMM, ctypes.c_uint64, _POINTER, ctypes.POINTER(_SIZE)],
    "lhCommFeedbackImport": [_COMM, ctypes.c_uint64, _POINTER, _SIZE],
    "lhCommFeedbackReset": [_COMM, ctypes.c_uint64],
    "lhCommGetCallCount": [_COMM, ctypes.POINTER(ctypes.c_uint64)],
    "lhCommSetCallCount": [_COMM, ctypes.c_uint64],
    "lhRequestTest": [_POINTER, _INT_OUT],
    "lhRequestWait": [_POINTER],
    "lhGroupStart": [],
    "lhGroupEnd": [],
}
NCCL_FUNCTIONS = {"lhCommInitNccl": [ctypes.POINTER(_COMM), _POINTER, ctypes.POINTER(Config)]}  # of nccl.h
TEXT_FUNCTIONS = ("lhGetErrorString", "lhGetLastError")


def declare(library: ctypes.CDLL) -> None:
    """Tells ctypes the types of every function. Raises AttributeError where the library lacks one."""
    for name, arguments in {**FUNCTIONS, **NCCL_FUNCTIONS}.items():
        function = getattr(library, name)
        function.argtypes = arguments
        function.restype = ctypes.c_char_p if name in TEXT_FUNCTIONS else ctypes.c_int
