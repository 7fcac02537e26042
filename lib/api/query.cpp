// SPDX-License-Identifier: Apache-2.0
// Everything of the C ABI that asks and does not communicate.
#include <cstring>

#include "api/comm.h"

using longhaul::error;
using longhaul::Status;

namespace {

lhResult_t answer(lhComm_t comm, int* out, int (*value)(const lhComm&)) {
  if (!out) return longhaul::api::report(error(lhInvalidArgument, "the result pointer is NULL"));
  if (!comm) return longhaul::api::report(error(lhInvalidArgument, "the communicator is NULL"));
  if (comm->state.load() == lhComm::State::Starting)
    return comm->report(error(lhInvalidUsage, "the communicator is still being initialised"));
  if (comm->state.load() == lhComm::State::Failed) return comm->report(comm->start_failure());
  *out = value(*comm);
  return lhSuccess;
}

}  // namespace

lhResult_t lhGetVersion(int* version) {
  if (!version) return longhaul::api::report(error(lhInvalidArgument, "version is NULL"));
  *version = LH_VERSION_CODE;
  return lhSuccess;
}

const char* lhGetErrorString(lhResult_t result) {
  switch (result) {
    case lhSuccess:
      return "success";
    case lhUnhandledCudaError:
      return "unhandled CUDA error";
    case lhSystemError:
      return "system error";
    case lhInternalError:
      return "internal error";
    case lhInvalidArgument:
      return "invalid argument";
    case lhInvalidUsage:
      return "invalid usage";
    case lhRemoteError:
      return "remote error";
    case lhInProgress:
      return "in progress";
    case lhTimeout:
      return "timeout";
    case lhSiteLost:
      return "site lost";
    case lhAuthFailed:
      return "authentication failed";
    case lhDataCorrupt:
      return "data corrupt";
    case lhAborted:
      return "aborted";
    case lhUnsupported:
      return "unsupported";
  }
  return "unknown result code";
}

const char* lhGetLastError(lhComm_t comm) {
  return longhaul::api::keep_for_caller(comm ? comm->last_error() : longhaul::api::thread_error());
}

lhResult_t lhCommCount(lhComm_t comm, int* count) {
  return answer(comm, count, [](const lhComm& c) { return c.members.topology.ranks(); });
}
lhResult_t lhCommUserRank(lhComm_t comm, int* rank) {
  return answer(comm, rank, [](const lhComm& c) { return c.members.rank; });
}
lhResult_t lhCommSiteCount(lhComm_t comm, int* sites) {
  return answer(comm, sites, [](const lhComm& c) { return c.members.topology.sites(); });
}
lhResult_t lhCommSite(lhComm_t comm, int* site) {
  return answer(comm, site, [](const lhComm& c) { return c.members.site(); });
}
lhResult_t lhCommSiteSize(lhComm_t comm, int* size) {
  return answer(comm, size, [](const lhComm& c) { return c.members.site_size(); });
}
lhResult_t lhCommSiteRank(lhComm_t comm, int* rank) {
  return answer(comm, rank, [](const lhComm& c) { return c.members.site_rank(); });
}
lhResult_t lhCommCuDevice(lhComm_t comm, int* device) {
  return answer(comm, device, [](const lhComm& c) { return c.device(); });
}

lhResult_t lhCommGetAsyncError(lhComm_t comm, lhResult_t* asyncError) {
  if (!comm || !asyncError) return longhaul::api::report(error(lhInvalidArgument, "comm or asyncError is NULL"));
  switch (comm->state.load()) {
    case lhComm::State::Starting:
      *asyncError = lhInProgress;
      break;
    case lhComm::State::Failed:
      *asyncError = comm->start_failure().code();
      break;
    case lhComm::State::Ready:
      *asyncError = comm->runner->engine().failure().code();
      break;
  }
  return lhSuccess;
}

lhResult_t lhCommGetStats(lhComm_t comm, lhStats_t* stats) {
  if (!stats || stats->magic != LH_STATS_MAGIC || stats->size < offsetof(lhStats_t, operations))
    return longhaul::api::report(error(lhInvalidArgument, "the statistics are not initialised: start from LH_STATS_INITIALIZER"));
  int ranks = 0;
  if (const lhResult_t usable = lhCommCount(comm, &ranks); usable != lhSuccess) return usable;
  const longhaul::engine::EngineStats now = comm->runner->engine().stats();
  lhStats_t all = LH_STATS_INITIALIZER;
  all.size = stats->size;
  all.version = stats->version;
  all.operations = now.operations;
  all.failedOperations = now.failed_operations;
  all.payloadBytes = now.payload_bytes;
  all.wanBytesSent = now.wan_bytes_sent;
  all.wanBytesReceived = now.wan_bytes_received;
  all.resentBytes = now.resent_bytes;
  all.reconnects = now.reconnects;
  all.droppedFrames = now.dropped_frames;
  all.rttNs = now.rtt_ns;
  all.peakMemoryBytes = now.memory_bytes;
  all.streams = now.streams;
  all.windowBytes = now.window_bytes;
  all.chunkBytes = now.chunk_bytes;
  all.feedbackBytes = comm->runner->engine().feedback().memory_bytes();
  all.linkRate = static_cast<std::uint64_t>(now.link_rate > 0 ? now.link_rate * 8 : comm->link_rate);
  all.gpuChunks = now.gpu_chunks;
  const auto phase = [&](longhaul::site::GpuPhase which) { return now.gpu_ns[static_cast<std::size_t>(which)]; };
  using longhaul::site::GpuPhase;
  all.gpuReduceScatterNs = phase(GpuPhase::ReduceScatter);
  all.gpuEncodeNs = phase(GpuPhase::Encode) + phase(GpuPhase::EncodeAgain) + phase(GpuPhase::CopyOut);
  all.gpuDecodeNs = phase(GpuPhase::Decode);
  all.gpuAllGatherNs = phase(GpuPhase::AllGather);
  std::memcpy(stats, &all, std::min(stats->size, sizeof all));
  return lhSuccess;
}
