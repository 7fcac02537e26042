// SPDX-License-Identifier: Apache-2.0
// NcclExchange: the in-site exchange of the bring-up through an NCCL communicator that the caller brought. A few hundred bytes, twice.
#pragma once

#include "bootstrap/bootstrap.h"
#include "device/owned.h"
#include "device/load.h"

namespace longhaul::api {

class NcclExchange final : public bootstrap::SiteExchange {
 public:
  NcclExchange(std::shared_ptr<const device::Gpu> gpu, std::shared_ptr<const device::Nccl> nccl, device::NcclComm site, int ranks)
      : gpu_(std::move(gpu)), nccl_(std::move(nccl)), site_(site), ranks_(static_cast<std::size_t>(ranks)) {}

  Result<std::vector<std::vector<std::byte>>> all_gather(ConstBytes mine, TimeNs deadline) override;

 private:
  /// Equal numbers of bytes from all ranks, in rank order.
  Result<std::vector<std::byte>> gather(ConstBytes mine, TimeNs deadline);
  Status wait_for_call(device::NcclResult result, TimeNs deadline) const;

  std::shared_ptr<const device::Gpu> gpu_;
  std::shared_ptr<const device::Nccl> nccl_;
  device::NcclComm site_;
  std::size_t ranks_;
};

}  // namespace longhaul::api
