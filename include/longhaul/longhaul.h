/* SPDX-License-Identifier: Apache-2.0
 *
 * Longhaul: hierarchical all-reduce for training jobs that span several datacenters ("sites").
 *
 * This header is the stable C ABI (C99). It needs neither MPI nor CUDA nor NCCL; longhaul/mpi.h adds what needs an
 * MPI_Comm, longhaul/nccl.h an ncclComm_t. Every function returns a code, no exception crosses this boundary, nothing ends the process.
 *
 * Words used below. A rank belongs to a site; siteRank is its index inside the site. Rank order is site-major: global
 * rank = sizes of earlier sites + siteRank. Ranks of equal siteRank in different sites form a rail. docs/architecture.md
 * has the glossary, docs/configuration.md every key.
 */
#ifndef LONGHAUL_LONGHAUL_H
#define LONGHAUL_LONGHAUL_H

#include <stddef.h>
#include <stdint.h>

#define LH_MAJOR 0
#define LH_MINOR 1
#define LH_PATCH 0
#define LH_VERSION_CODE (LH_MAJOR * 10000 + LH_MINOR * 100 + LH_PATCH)

#if defined(LH_BUILDING_LIBRARY) && defined(__GNUC__)
#define LH_API __attribute__((visibility("default")))
#else
#define LH_API
#endif

/* Callers pass any number: in C++ an enumeration without a fixed type would make reading it undefined behaviour. */
#ifdef __cplusplus
#define LH_ENUM enum : int
extern "C" {
#else
#define LH_ENUM enum
#endif

typedef struct lhComm* lhComm_t;          /* one rank's membership in one group of sites */
typedef struct lhRequest* lhRequest_t;    /* one operation in flight */
typedef struct CUstream_st* lhStream_t;   /* a cudaStream_t; NULL on a host communicator */

/* 0..8 equal NCCL's ncclResult_t by value. */
typedef LH_ENUM {
  lhSuccess = 0,
  lhUnhandledCudaError = 1,
  lhSystemError = 2,
  lhInternalError = 3,
  lhInvalidArgument = 4, /* found before anything is sent; the communicator stays usable */
  lhInvalidUsage = 5,    /* ranks disagree about a call, or a call is not allowed here */
  lhRemoteError = 6,     /* another rank failed, left, aborted or died */
  lhInProgress = 7,
  lhTimeout = 8,
  lhSiteLost = 16,    /* a site was unreachable for longer than wan.ride_through */
  lhAuthFailed = 17,  /* another secret or run id */
  lhDataCorrupt = 18, /* checksums kept failing on a link */
  lhAborted = 19,     /* lhCommAbort on this communicator */
  lhUnsupported = 20  /* not in this build or version; the communicator stays usable */
} lhResult_t;

/* Values equal NCCL's ncclDataType_t. */
typedef LH_ENUM {
  lhInt8 = 0,
  lhUint8 = 1,
  lhInt32 = 2,
  lhUint32 = 3,
  lhInt64 = 4,
  lhUint64 = 5,
  lhFloat16 = 6,
  lhFloat32 = 7,
  lhFloat64 = 8,
  lhBfloat16 = 9
} lhDataType_t;

/* lhAvg sums, then divides once by the number of ranks (of sites in the rail scope); integers truncate toward zero.
 * Integer sums and products wrap as in NCCL. lhMax and lhMin of anything with NaN are NaN. */
typedef LH_ENUM { lhSum = 0, lhProd = 1, lhMax = 2, lhMin = 3, lhAvg = 4 } lhRedOp_t;

/* What crosses the WAN. Formats: docs/codecs.md. A codec named where loss is not allowed (integers, fp64, Prod, Max,
 * Min) is ignored. */
typedef LH_ENUM {
  lhCodecDefault = 0, /* what the configuration says (wan.codec), which applies from wan.min_compress_bytes upwards */
  lhCodecNone = 1,    /* exact */
  lhCodecBf16 = 2,    /* 16 bits a value */
  lhCodecI8 = 3,      /* 8.125 bits a value, block scale */
  lhCodecR4 = 4,      /* 4.0625 bits: rotated blocks, 16 levels */
  lhCodecF4 = 5,      /* 4.5 bits: 4-bit floats, block scale */
  lhCodecR2 = 6,      /* 2.016 bits: rotated blocks, 4 levels; meant for use with error feedback */
  lhCodecLossless = 7 /* exact: exponents entropy-coded; fp16 is left as it is */
} lhCodec_t;

typedef LH_ENUM {
  lhScopeDefault = 0, /* = lhScopeGlobal */
  lhScopeGlobal = 1,  /* reduce inside every site, exchange between sites, gather inside every site */
  lhScopeRail = 2     /* only across sites: the input is this rank's already reduced shard (FSDP, HSDP, ZeRO) */
} lhScope_t;

/* In-site all-gather supplied by the caller: every rank of the site passes `bytes` bytes at `mine` and receives
 * siteSize * bytes bytes at `all`, in siteRank order. Blocking; returns 0 on success. Called only inside lhCommInit, on
 * the thread that called it (on an internal thread when lhConfig_t.blocking is 0). */
typedef struct lhOob {
  void* context;
  int (*allgather)(void* context, const void* mine, void* all, size_t bytes);
} lhOob_t;

/* How to find the other ranks. Start from LH_CONFIG_INITIALIZER. Precedence: environment over this struct over the file. */
typedef struct lhConfig {
  size_t size;
  unsigned magic, version;
  const char* file;        /* TOML; NULL: $LONGHAUL_CONFIG, else none */
  const char* runId;       /* must match at every site; NULL: file or $LONGHAUL_RUN_ID */
  const char* site;        /* this rank's site name; NULL: $LONGHAUL_SITE */
  int siteRank, siteSize;  /* -1: launcher environment (OMPI_COMM_WORLD_*, PMI_*, SLURM_*, RANK/WORLD_SIZE) */
  const char* siteAddress; /* host:port where this site's rank 0 gathers its own ranks; NULL: the site's own address */
  const char* sites;       /* "wisconsin=10.0.1.1:47000,atlanta=10.0.2.1:47000"; NULL: file or $LONGHAUL_SITES */
  const char* wan;         /* "codec=i8,chunk=1MiB,timeout=60s"; keys of the file's [wan] table; NULL: file or $LONGHAUL_WAN */
  const lhOob_t* oob;      /* in-site all-gather that replaces siteAddress; may be NULL */
  int device;              /* CUDA device of a device communicator; -1: host memory. The same choice at all ranks of a site */
  int blocking;            /* 1: lhCommInit returns when connected; 0: returns lhInProgress, poll lhCommGetAsyncError */
} lhConfig_t;

#define LH_CONFIG_MAGIC 0x4c48636fu
#define LH_CONFIG_INITIALIZER \
  { sizeof(lhConfig_t), LH_CONFIG_MAGIC, LH_VERSION_CODE, NULL, NULL, NULL, -1, -1, NULL, NULL, NULL, NULL, -1, 1 }

/* Options of one call. Start from LH_CALL_CONFIG_INITIALIZER. */
typedef struct lhCallConfig {
  size_t size;
  unsigned magic, version;
  lhCodec_t codec;     /* must be equal on all ranks */
  lhScope_t scope;     /* must be equal on all ranks */
  uint64_t tag;        /* non-zero: stable name of this bucket, the key of its error-feedback state */
  int errorFeedback;   /* 1: what the codec loses is added to the next call with this tag; need not be equal on all ranks */
  unsigned timeoutMs;  /* 0: wan.timeout. Runs from the issue of the call */
} lhCallConfig_t;

#define LH_CALL_CONFIG_MAGIC 0x4c486361u
#define LH_CALL_CONFIG_INITIALIZER \
  { sizeof(lhCallConfig_t), LH_CALL_CONFIG_MAGIC, LH_VERSION_CODE, lhCodecDefault, lhScopeDefault, 0, 0, 0 }

/* A codec of the caller's own. Start from LH_CODEC_PLUGIN_INITIALIZER. The library calls it, on one thread of its own, for runs of
 * values that belong together (at most a chunk), and holds it to what it declares: a blob of `count` values takes at most
 * headerBytes + ceil(count / blockValues) * blockBytes. Neither function may throw, block, or call Longhaul. */
typedef struct lhCodecPlugin {
  size_t size;
  unsigned magic, version;
  const char* name;     /* 1 to 31 of a-z 0-9 - _, not a name of the library's own; like the next four equal on all ranks */
  unsigned format;      /* a number for the format of the blobs */
  unsigned blockValues; /* a power of two, 1 to 1024 */
  unsigned blockBytes;  /* at most 4 * blockValues */
  unsigned headerBytes; /* at most 32 */
  void* context;        /* for both functions; must live as long as the communicator */
  /* Writes a blob of `count` > 0 finite values to `blob`, which has room for `room` bytes, and its size to *bytes. `seed` is
   * equal at all sites, another for every chunk of every call (not handed to decodeAdd: write it into the blob if needed).
   * lhUnsupported: cannot carry these values, they are sent as bf16. Any other error ends the call. */
  lhResult_t (*encode)(void* context, const float* values, size_t count, uint64_t seed, void* blob, size_t room, size_t* bytes);
  /* sum[i] += decoded[i]. The same bytes must give the same bits on every rank. `blob` comes from the network: any bytes of any
   * size within the bound; what encode cannot have written is lhDataCorrupt, and any error ends the call. */
  lhResult_t (*decodeAdd)(void* context, const void* blob, size_t bytes, size_t count, float* sum);
} lhCodecPlugin_t;

#define LH_CODEC_PLUGIN_MAGIC 0x4c486370u
#define LH_CODEC_PLUGIN_INITIALIZER \
  { sizeof(lhCodecPlugin_t), LH_CODEC_PLUGIN_MAGIC, LH_VERSION_CODE, NULL, 0, 1, 4, 0, NULL, NULL, NULL }

/* Counters since initialisation. Start from LH_STATS_INITIALIZER; fields this library does not know stay untouched. */
typedef struct lhStats {
  size_t size;
  unsigned magic, version;
  uint64_t operations;       /* completed with lhSuccess; the traffic of bring-up is in none of the byte counts */
  uint64_t failedOperations; /* ended with an error; refused calls (lhInvalidArgument, ...) do not count */
  uint64_t payloadBytes;     /* bytes this rank contributed to the WAN before the codec */
  uint64_t wanBytesSent;     /* bytes handed to the WAN transport: frames, acknowledgements and resent frames included */
  uint64_t wanBytesReceived;
  uint64_t resentBytes;
  uint64_t reconnects;    /* streams replaced after bring-up */
  uint64_t droppedFrames; /* frames of strangers, damaged, duplicate or stale frames */
  uint64_t rttNs;         /* smoothed round trip, worst site; 0 until measured */
  uint64_t peakMemoryBytes; /* of the library's own buffers */
  uint64_t streams;         /* connections to other sites that are up now, all peers of this rank together */
  uint64_t windowBytes;     /* the largest window granted to a peer at another site now */
  uint64_t chunkBytes;      /* of the last call that moved data: what is reduced, encoded and sent as one */
  uint64_t linkRate;        /* bits a second that a link carries each way: wan.rate_limit, else measured at bring-up and
                               corrected since; 0: not known (loopback) */
  uint64_t feedbackBytes;   /* of all error-feedback states now; peakMemoryBytes contains them */
  uint64_t gpuChunks;       /* encoded and added up by kernels on the GPU; 0: the CPU runs the codecs, or none was used */
  uint64_t gpuReduceScatterNs; /* how long this rank's GPU was in each phase of its chunks, all chunks together: counted by events while */
  uint64_t gpuEncodeNs;        /* LONGHAUL_TRACE is set, else 0. Encoding is followed by the copy to pinned memory; where the CPU runs the */
  uint64_t gpuDecodeNs;        /* codecs that copy is all of gpuEncodeNs, and gpuDecodeNs is 0 */
  uint64_t gpuAllGatherNs;
} lhStats_t;

#define LH_STATS_MAGIC 0x4c487374u
#define LH_STATS_INITIALIZER { sizeof(lhStats_t), LH_STATS_MAGIC, LH_VERSION_CODE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* ---- Library ---------------------------------------------------------------------------------------------------- */

/* Version of the library in this process as MAJOR * 10000 + MINOR * 100 + PATCH. */
LH_API lhResult_t lhGetVersion(int* version);
/* One line of text for a code; never NULL. */
LH_API const char* lhGetErrorString(lhResult_t result);
/* Text of the communicator's last failure; with NULL, of the calling thread's last failure (so it serves a failed
 * lhCommInit). Never NULL; valid until the next Longhaul call of this thread. */
LH_API const char* lhGetLastError(lhComm_t comm);

/* ---- Communicators ---------------------------------------------------------------------------------------------- */

/* Joins the job as one rank. Blocks until every rank of every site is connected, or fails by wan.timeout (default 60 s) with
 * a text that names who is missing; then *comm is NULL. With config->blocking == 0 it returns lhInProgress at once and
 * lhCommGetAsyncError tells when it is done. `config` and its strings are copied; `oob` must live until it is done. */
LH_API lhResult_t lhCommInit(lhComm_t* comm, const lhConfig_t* config);
/* Creates all ranks of nSites sites (siteSizes[i] ranks each, 1..8 sites) in this process: comms[globalRank]. The WAN is in
 * memory, shaped by wan.emulate_*. `config` may be NULL; of it only `file`, `wan` (and their environment) and `device` count: from that
 * GPU on, global rank r works on the r-th, counted round the machine. */
LH_API lhResult_t lhCommInitLoopback(lhComm_t* comms, const int* siteSizes, int nSites, const lhConfig_t* config);
/* Called by all ranks: waits until everything issued is done and every rank got here; ends within 10 s. */
LH_API lhResult_t lhCommFinalize(lhComm_t comm);
/* Frees the communicator; pending calls end with lhAborted. Flushes what other ranks still need; ends within 10 s. */
LH_API lhResult_t lhCommDestroy(lhComm_t comm);
/* From any thread: returns at once, calls blocked on `comm` return lhAborted within 100 ms, and the other ranks learn it.
 * The handle must still be destroyed. */
LH_API lhResult_t lhCommAbort(lhComm_t comm);
/* State of the communicator: lhSuccess, lhInProgress (non-blocking initialisation), or its final error. Never blocks. */
LH_API lhResult_t lhCommGetAsyncError(lhComm_t comm, lhResult_t* asyncError);

LH_API lhResult_t lhCommCount(lhComm_t comm, int* count);
LH_API lhResult_t lhCommUserRank(lhComm_t comm, int* rank);
LH_API lhResult_t lhCommSiteCount(lhComm_t comm, int* sites);
LH_API lhResult_t lhCommSite(lhComm_t comm, int* site);
LH_API lhResult_t lhCommSiteSize(lhComm_t comm, int* size);
LH_API lhResult_t lhCommSiteRank(lhComm_t comm, int* rank);
LH_API lhResult_t lhCommCuDevice(lhComm_t comm, int* device); /* -1 on a host communicator */
LH_API lhResult_t lhCommGetStats(lhComm_t comm, lhStats_t* stats);

/* ---- Collectives -------------------------------------------------------------------------------------------------
 * Issued in the same order with equal arguments on all ranks; a difference ends in lhInvalidUsage on every rank. `count`
 * counts elements; buffers need their type's alignment only; 0 elements are legal (null pointers too). On success every
 * rank holds bit-identical results. On a host communicator a call returns when it is done (inside a group: at
 * lhGroupEnd); every call ends by its deadline. Input stays untouched unless in place.
 * On a device communicator buffers are memory of its GPU, and a call returns at once, in groups too: it begins when `stream` has come to it, and
 * `stream` goes on when it is done or has failed, which lhCommGetAsyncError tells. A stream that is being captured is lhUnsupported. */

/* recv[i] = op over all ranks of send[i]. In place: send == recv. */
LH_API lhResult_t lhAllReduce(const void* send, void* recv, size_t count, lhDataType_t type, lhRedOp_t op, lhComm_t comm,
                              lhStream_t stream);
/* As lhAllReduce with options. With `request` it returns at once and the caller owns *request until lhRequestWait;
 * with request == NULL it blocks. `config` may be NULL. */
LH_API lhResult_t lhAllReduceEx(const void* send, void* recv, size_t count, lhDataType_t type, lhRedOp_t op,
                                const lhCallConfig_t* config, lhComm_t comm, lhStream_t stream, lhRequest_t* request);
/* send holds ranks * recvCount elements; rank r receives elements [r * recvCount, (r + 1) * recvCount) of the reduction.
 * In place: recv == send + rank * recvCount elements. */
LH_API lhResult_t lhReduceScatter(const void* send, void* recv, size_t recvCount, lhDataType_t type, lhRedOp_t op,
                                  lhComm_t comm, lhStream_t stream);
/* recv holds ranks * sendCount elements in rank order. In place: send == recv + rank * sendCount elements. */
LH_API lhResult_t lhAllGather(const void* send, void* recv, size_t sendCount, lhDataType_t type, lhComm_t comm,
                              lhStream_t stream);
/* Copies root's `send` to `recv` on all ranks; `send` is read on the root only. In place: send == recv. */
LH_API lhResult_t lhBroadcast(const void* send, void* recv, size_t count, lhDataType_t type, int root, lhComm_t comm,
                              lhStream_t stream);
/* Returns when every rank has called it. */
LH_API lhResult_t lhBarrier(lhComm_t comm, lhStream_t stream);

/* Adds a codec to this communicator; *codec (64 and up) is what lhCallConfig_t.codec names it by, in all-reduces. Every rank registers
 * its codecs in the same order before the first call that names one; a call whose codecs differ between ranks is lhInvalidUsage.
 * Does not communicate; `plugin` is copied. A codec that breaks its bounds ends the communicator with lhInternalError. */
LH_API lhResult_t lhCommRegisterCodec(lhComm_t comm, const lhCodecPlugin_t* plugin, lhCodec_t* codec);

/* Error feedback of this rank (lhCallConfig_t.errorFeedback): per tag, what the codec lost of the values that this rank
 * encoded, as of the last call with that tag that succeeded: a call that fails changes nothing. For checkpoints every
 * rank exports its own states, also after a failure of the communicator, and imports them into a communicator of the same
 * shape (rank, site sizes, wan.chunk); a call that does not fit an imported state is refused. A state whose tag is called
 * with another count begins anew with zeros. 4 bytes a value, all states within wan.feedback_memory. Changing a state is
 * lhInvalidUsage while a call with its tag is under way. These calls do not communicate. */
/* *count is the room at `tags` and becomes the number of tags with a state; they are written, ascending, where they fit.
 * `tags` may be NULL: then only the number is told. */
LH_API lhResult_t lhCommFeedbackTags(lhComm_t comm, uint64_t* tags, size_t* count);
/* *bytes is the room at `state` and becomes the size of the exported state; it is written where it fits (else
 * lhInvalidArgument). `state` may be NULL: then only the size is told. */
LH_API lhResult_t lhCommFeedbackExport(lhComm_t comm, uint64_t tag, void* state, size_t* bytes);
/* Replaces the state of `tag` by an exported one. Any bytes are safe: what was not exported or is damaged is refused. */
LH_API lhResult_t lhCommFeedbackImport(lhComm_t comm, uint64_t tag, const void* state, size_t bytes);
/* Forgets the state of `tag`; of all tags with 0. */
LH_API lhResult_t lhCommFeedbackReset(lhComm_t comm, uint64_t tag);
/* Collectives issued on this communicator. r4, r2 and plug-ins draw their random numbers from the number of the call, so that two runs
 * with the same calls have the same bits. A run that continues from a checkpoint sets the count of then, behind the last call that the first
 * run did not have: all ranks the same between the same calls, else the next call is lhInvalidUsage. Does not communicate. */
LH_API lhResult_t lhCommGetCallCount(lhComm_t comm, uint64_t* calls);
LH_API lhResult_t lhCommSetCallCount(lhComm_t comm, uint64_t calls);

/* *done = 1 when the operation has ended; then its result is returned, else lhInProgress. Does not consume the request. */
LH_API lhResult_t lhRequestTest(lhRequest_t request, int* done);
/* Blocks until the operation has ended, frees the request (also on failure) and returns the operation's result. */
LH_API lhResult_t lhRequestWait(lhRequest_t request);

/* Between the two, this thread's collectives are issued together and lhGroupEnd returns when all are done, with the first
 * error. Needed when one thread drives several communicators. Groups nest. */
LH_API lhResult_t lhGroupStart(void);
LH_API lhResult_t lhGroupEnd(void);

#ifdef __cplusplus
}
#endif
#endif /* LONGHAUL_LONGHAUL_H */
