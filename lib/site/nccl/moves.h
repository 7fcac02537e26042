// SPDX-License-Identifier: Apache-2.0
// Moves: what one chunk is in NCCL calls and copies. Pure in the sense that the same task makes the same calls in the same order at
// every rank of the site; nothing here waits or looks at what has arrived. Streams and communicators are the caller's.
#pragma once

#include "device/owned.h"
#include "site/group.h"
#include "site/nccl/nccl_comm.h"

namespace longhaul::site {

/// One chunk on device memory: the task of the host's group, whose `send` is device memory here, and where results go.
struct DeviceTask {
  ChunkTask task;
  int rank = 0;               ///< of this process in `task`
  bool contributes = true;    ///< the site has something to bring in
  bool wanted = true;         ///< the site wants the result
  std::byte* recv = nullptr;  ///< device memory, at element task.wants[rank].begin

  const Range& part() const { return task.parts[static_cast<std::size_t>(rank)]; }
  const Range& want() const { return task.wants[static_cast<std::size_t>(rank)]; }
  const Range& contribution() const { return task.contributions[static_cast<std::size_t>(rank)]; }
  int ranks() const { return static_cast<int>(task.parts.size()); }
  std::size_t bytes(std::uint64_t elements) const;
};

/// Where this rank's part is once collected: in the caller's own memory where it is alone, else at `on_device`.
const std::byte* collected_at(const DeviceTask& task, std::byte* on_device);
/// Where its finished part is put: in the caller's memory where it is wanted as a whole, else at `on_device`.
std::byte* delivered_at(const DeviceTask& task, std::byte* on_device);

/// Brings every rank's contribution to the owners of parts, reduced: this rank's part to collected_at(). False: failed, as
/// comm->failure() or *trouble says. `comm` may be null at a site of one rank.
bool collect(const DeviceTask& task, NcclComm* comm, const device::Stream& stream, std::byte* on_device, Status* trouble);
/// Brings this rank's finished part from delivered_at() to whoever wants it, and the others' parts here.
bool distribute(const DeviceTask& task, NcclComm* comm, const device::Stream& stream, std::byte* on_device, Status* trouble);

}  // namespace longhaul::site
