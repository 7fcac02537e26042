// SPDX-License-Identifier: Apache-2.0
// What would one NCCL communicator over all ranks do? The baseline of --baseline nccl: the same buffers by one
// ncclAllReduce that knows nothing of sites. NCCL is the one that the library finds (device/load.h). One object per
// rank, all calls on that rank's thread; throws Failure.
#pragma once

#include "benchmarks/device_buffers.h"
#include "benchmarks/options.h"
#include "benchmarks/team.h"
#include "site/nccl/nccl_comm.h"

namespace longhaul::perf {

class FlatNccl {
 public:
  /// Made by all ranks of the team together. Works in `buffers`, which outlive it.
  FlatNccl(const DeviceBuffers& buffers, Team* team);
  ~FlatNccl();
  FlatNccl(const FlatNccl&) = delete;
  FlatNccl& operator=(const FlatNccl&) = delete;

  /// As Longhaul's call of this row; returns when it is done.
  void all_reduce(const Case& row, bool in_place);

 private:
  template <typename Done>
  void wait(const char* what, const Done& done);
  void require_own_gpu() const;
  device::NcclUniqueId exchange_id(const device::Nccl& nccl) const;

  const DeviceBuffers& buffers_;
  Team* team_;
  std::unique_ptr<site::NcclComm> comm_;
};

}  // namespace longhaul::perf
