// SPDX-License-Identifier: Apache-2.0
// NcclComm: one NCCL communicator of this library's own, never blocking: every call may still be in progress when it returns, and
// nothing else may be asked of the communicator until busy() is false. All calls on one thread, the engine's.
//
//   Starting ──► Ready ◄──► in progress        Ready ──finalize──► Closing ──► Closed
//       └───────────────────── failure, cut ──────────────────────► Closed
#pragma once

#include <memory>
#include <string>

#include "device/load.h"

namespace longhaul::site {

struct NcclOptions {
  int max_ctas = 0;       ///< most thread blocks of one collective; 0: NCCL decides
  int traffic_class = -1; ///< -1: none
  std::string name;       ///< shown by NCCL's logs and profilers
};

class NcclComm {
 public:
  NcclComm(std::shared_ptr<const device::Nccl> nccl, const NcclOptions& options);
  ~NcclComm();
  NcclComm(const NcclComm&) = delete;
  NcclComm& operator=(const NcclComm&) = delete;

  /// Begins to join; the GPU's context is current.
  void start(const device::NcclUniqueId& id, int ranks, int rank);
  /// Begins to make a copy of somebody else's communicator, on which nobody may call meanwhile.
  void start_from(device::NcclComm parent, int rank);

  const device::Nccl& api() const { return *nccl_; }
  device::NcclComm get() const { return *comm_; }
  /// Still working on the last call. Look at failure() when it is not.
  bool busy();
  /// Asks NCCL whether something went wrong since.
  void look_for_failure() { busy(); }
  const Status& failure() const { return failure_; }

  /// The result of a call on this communicator: failure() is set where it is one.
  bool accept(device::NcclResult result, const char* call);
  bool group_start() { return accept(nccl_->group_start(), "ncclGroupStart"); }
  bool group_end() { return accept(nccl_->group_end(), "ncclGroupEnd"); }

  /// Flushes what other ranks still need of this one; closed() tells when.
  void finalize();
  bool closed();
  /// Ends whatever is under way, on the GPU, too.
  void cut();

 private:
  bool fail(device::NcclResult result, const char* call);

  std::shared_ptr<const device::Nccl> nccl_;
  std::string name_;
  device::NcclConfig config_;
  std::unique_ptr<device::NcclComm> comm_;  // at one address: NCCL writes it later
  device::NcclComm parent_ = nullptr;       // while it is being split
  bool in_progress_ = false, closing_ = false;
  Status failure_;
};

}  // namespace longhaul::site
