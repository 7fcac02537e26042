// SPDX-License-Identifier: Apache-2.0
// Which functions of NCCL does Longhaul call? Declared here for the reason given in cuda.h. The library is the process's own: the
// one PyTorch or the program loaded, never a second copy, because communicators of one copy mean nothing to another.
// Values of data types and reductions equal Longhaul's.
#pragma once

#include <cstddef>
#include <limits>

#include "device/cuda.h"

struct ncclComm;

namespace longhaul::device {

using NcclResult = int;  ///< ncclResult_t: 0..8 as lhResult_t
using NcclComm = ncclComm*;
struct NcclUniqueId {
  char internal[128];
};

constexpr NcclResult kNcclSuccess = 0, kNcclInProgress = 7;
constexpr int kNcclUndefined = std::numeric_limits<int>::min();
/// Communicators that neither block a thread nor need one (2.14), split from another (2.18), with a traffic class and a name.
constexpr int kOldestNccl = 21900, kNcclTrafficClass = 22602, kNcclNames = 22703;

/// The beginning of ncclConfig_t. NCCL reads `size` bytes and takes defaults for the rest.
struct NcclConfig {
  std::size_t size;
  unsigned magic = 0xcafebeef;
  unsigned version;
  int blocking = 0;
  int cga_cluster_size = kNcclUndefined;
  int min_ctas = kNcclUndefined;
  int max_ctas = kNcclUndefined;
  const char* net_name = nullptr;
  int split_share = kNcclUndefined;
  int traffic_class = kNcclUndefined;  // since kNcclTrafficClass
  const char* comm_name = nullptr;     // since kNcclNames
};

// All return an NcclResult.
#define LH_NCCL_FUNCTIONS(X)                                                                                          \
  X(version, "ncclGetVersion", (int* version))                                                                        \
  X(unique_id, "ncclGetUniqueId", (NcclUniqueId * id))                                                                \
  X(init_rank, "ncclCommInitRankConfig", (NcclComm * comm, int ranks, NcclUniqueId id, int rank, NcclConfig* config)) \
  X(split, "ncclCommSplit", (NcclComm comm, int color, int key, NcclComm* made, NcclConfig* config))                  \
  X(finalize, "ncclCommFinalize", (NcclComm comm))                                                                    \
  X(destroy, "ncclCommDestroy", (NcclComm comm))                                                                      \
  X(abort, "ncclCommAbort", (NcclComm comm))                                                                          \
  X(async_error, "ncclCommGetAsyncError", (NcclComm comm, NcclResult* error))                                         \
  X(count, "ncclCommCount", (NcclComm comm, int* count))                                                              \
  X(user_rank, "ncclCommUserRank", (NcclComm comm, int* rank))                                                        \
  X(cuda_device, "ncclCommCuDevice", (NcclComm comm, int* device))                                                    \
  X(group_start, "ncclGroupStart", ())                                                                                \
  X(group_end, "ncclGroupEnd", ())                                                                                    \
  X(reduce_scatter, "ncclReduceScatter",                                                                              \
    (const void* send, void* recv, std::size_t count, int type, int op, NcclComm comm, CuStream stream))              \
  X(all_reduce, "ncclAllReduce",                                                                                      \
    (const void* send, void* recv, std::size_t count, int type, int op, NcclComm comm, CuStream stream))              \
  X(all_gather, "ncclAllGather", (const void* send, void* recv, std::size_t count, int type, NcclComm comm, CuStream stream)) \
  X(reduce, "ncclReduce",                                                                                             \
    (const void* send, void* recv, std::size_t count, int type, int op, int root, NcclComm comm, CuStream stream))    \
  X(send, "ncclSend", (const void* send, std::size_t count, int type, int peer, NcclComm comm, CuStream stream))      \
  X(recv, "ncclRecv", (void* recv, std::size_t count, int type, int peer, NcclComm comm, CuStream stream))

struct Nccl {
#define LH_MEMBER(member, name, arguments) NcclResult(*member) arguments = nullptr;
  LH_NCCL_FUNCTIONS(LH_MEMBER)
#undef LH_MEMBER
  const char* (*last_error)(NcclComm comm) = nullptr;     // "ncclGetLastError"
  const char* (*error_string)(NcclResult error) = nullptr;  // "ncclGetErrorString"
  int version_code = 0;                                     // what version() said

  /// For communicators of this library's version.
  NcclConfig config() const {
    NcclConfig result{};
    const bool named = version_code >= kNcclNames, classed = version_code >= kNcclTrafficClass;
    result.size = named ? sizeof(NcclConfig) : classed ? offsetof(NcclConfig, comm_name) : offsetof(NcclConfig, traffic_class);
    result.version = static_cast<unsigned>(named ? kNcclNames : classed ? kNcclTrafficClass : kOldestNccl);
    return result;
  }
};

}  // namespace longhaul::device
