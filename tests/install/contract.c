/* SPDX-License-Identifier: Apache-2.0 */
/* The contract as a C99 compiler sees it: values, struct fields and call signatures. Compile it with -std=c99 -pedantic-errors
   -Wall -Werror and link it. */
#include <longhaul/longhaul.h>
#include <stdint.h>
#define SAME(name, value) typedef char name##_has_value[(name) == (value) ? 1 : -1]
SAME(lhSuccess, 0); SAME(lhUnhandledCudaError, 1); SAME(lhSystemError, 2); SAME(lhInternalError, 3); SAME(lhInvalidArgument, 4);
SAME(lhInvalidUsage, 5); SAME(lhRemoteError, 6); SAME(lhInProgress, 7); SAME(lhTimeout, 8); SAME(lhSiteLost, 16); SAME(lhAuthFailed, 17);
SAME(lhDataCorrupt, 18); SAME(lhAborted, 19); SAME(lhUnsupported, 20);
SAME(lhInt8, 0); SAME(lhUint8, 1); SAME(lhInt32, 2); SAME(lhUint32, 3); SAME(lhInt64, 4); SAME(lhUint64, 5); SAME(lhFloat16, 6);
SAME(lhFloat32, 7); SAME(lhFloat64, 8); SAME(lhBfloat16, 9);
SAME(lhSum, 0); SAME(lhProd, 1); SAME(lhMax, 2); SAME(lhMin, 3); SAME(lhAvg, 4);
SAME(lhCodecDefault, 0); SAME(lhCodecNone, 1); SAME(lhCodecBf16, 2); SAME(lhCodecI8, 3); SAME(lhCodecR4, 4); SAME(lhCodecF4, 5);
SAME(lhCodecR2, 6); SAME(lhCodecLossless, 7);

static int gather(void* context, const void* mine, void* all, size_t bytes) { return context == mine && all == mine && bytes; }

int main(void) {
    struct CUstream_st* stream = NULL;
    lhStream_t st = stream;
    lhOob_t oob = {NULL, gather};
    lhConfig_t k = LH_CONFIG_INITIALIZER;
    lhCallConfig_t call = LH_CALL_CONFIG_INITIALIZER;
    struct lhRequest* request = NULL;
    lhRequest_t rq = request;
    struct lhComm* handle = NULL;
    lhComm_t c = handle;
    lhStats_t stats = LH_STATS_INITIALIZER;
    uint64_t* counters[] = {&stats.operations, &stats.failedOperations, &stats.payloadBytes, &stats.wanBytesSent, &stats.wanBytesReceived, &stats.resentBytes,
                            &stats.reconnects, &stats.droppedFrames, &stats.rttNs, &stats.peakMemoryBytes};
    /* assigning to exactly typed pointers is the check */
    lhResult_t (*version)(int*) = lhGetVersion;
    const char* (*text)(lhResult_t) = lhGetErrorString;
    const char* (*last)(lhComm_t) = lhGetLastError;
    lhResult_t (*init)(lhComm_t*, const lhConfig_t*) = lhCommInit;
    lhResult_t (*loop)(lhComm_t*, const int*, int, const lhConfig_t*) = lhCommInitLoopback;
    lhResult_t (*one[])(lhComm_t) = {lhCommFinalize, lhCommDestroy, lhCommAbort};
    lhResult_t (*async)(lhComm_t, lhResult_t*) = lhCommGetAsyncError;
    lhResult_t (*ask[])(lhComm_t, int*) = {lhCommCount, lhCommUserRank, lhCommSiteCount, lhCommSite, lhCommSiteSize, lhCommSiteRank, lhCommCuDevice};
    lhResult_t (*stat)(lhComm_t, lhStats_t*) = lhCommGetStats;
    lhResult_t (*reduce[])(const void*, void*, size_t, lhDataType_t, lhRedOp_t, lhComm_t, lhStream_t) = {lhAllReduce, lhReduceScatter};
    lhResult_t (*all)(const void*, void*, size_t, lhDataType_t, lhComm_t, lhStream_t) = lhAllGather;
    lhResult_t (*bcast)(const void*, void*, size_t, lhDataType_t, int, lhComm_t, lhStream_t) = lhBroadcast;
    lhResult_t (*ex)(const void*, void*, size_t, lhDataType_t, lhRedOp_t, const lhCallConfig_t*, lhComm_t, lhStream_t, lhRequest_t*) = lhAllReduceEx;
    lhResult_t (*test)(lhRequest_t, int*) = lhRequestTest;
    lhResult_t (*wait)(lhRequest_t) = lhRequestWait;
    lhResult_t (*barrier)(lhComm_t, lhStream_t) = lhBarrier;
    lhResult_t (*tags)(lhComm_t, uint64_t*, size_t*) = lhCommFeedbackTags;
    lhResult_t (*save)(lhComm_t, uint64_t, void*, size_t*) = lhCommFeedbackExport;
    lhResult_t (*load)(lhComm_t, uint64_t, const void*, size_t) = lhCommFeedbackImport;
    lhResult_t (*forget)(lhComm_t, uint64_t) = lhCommFeedbackReset;
    lhResult_t (*add)(lhComm_t, const lhCodecPlugin_t*, lhCodec_t*) = lhCommRegisterCodec;
    lhCodecPlugin_t plugin = LH_CODEC_PLUGIN_INITIALIZER;
    lhResult_t (*group[])(void) = {lhGroupStart, lhGroupEnd};
    k.file = k.runId = k.site = k.siteAddress = k.sites = k.wan = NULL;
    k.oob = &oob;
    k.siteRank = k.siteSize = k.device = -1;
    k.blocking = 1;
    call.codec = lhCodecNone;
    call.scope = lhScopeGlobal;
    call.scope = lhScopeRail;
    call.tag = 1;
    call.errorFeedback = 1;
    call.timeoutMs = 1000;
    return !(version && text && last && init && loop && one[0] && async && ask[0] && stat && reduce[0] && all && bcast && ex && test && wait &&
             group[0] && add && plugin.size == sizeof plugin && tags && save && load && forget && barrier && counters[0] && stats.size == sizeof stats && stats.magic + stats.version && k.size == sizeof k && call.size == sizeof call && k.magic + k.version && call.magic + call.version && !st && !rq && !c);
}
