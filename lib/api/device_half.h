// SPDX-License-Identifier: Apache-2.0
// The device half of a communicator: its GPU, and how the ranks of its site find each other through NCCL. What ranks tell each other about
// it is a record of fixed size, which travels with the bring-up's own exchange.
#pragma once

#include <span>

#include "api/comm.h"

namespace longhaul::api {

/// One rank's, as told to its site. `ids` count for siteRank 0 only.
struct DeviceRecord {
  bool on_device = false;
  device::CuUuid gpu{};
  device::NcclUniqueId collecting{}, distributing{};

  static constexpr std::size_t kBytes = 1 + sizeof(device::CuUuid) + 2 * sizeof(device::NcclUniqueId);
  void append_to(std::vector<std::byte>* out) const;
  static DeviceRecord from(ConstBytes bytes);
};

/// Makes comm->gpu and comm->turnstile. Says what is wrong with the machine before anybody else is asked for anything.
Status open_device(lhComm* comm, int device);
/// What this rank tells its site.
Result<DeviceRecord> make_record(const lhComm& comm, bool first_of_site, int site_size);
/// Whether ranks with these records, by siteRank, can work together.
Status check_site(const std::string& site, std::span<const DeviceRecord> records);

/// The group of this rank. `ids`: siteRank 0's record; unused where `adopted` is an NCCL communicator of the site, from which the
/// library makes its own two.
Result<std::unique_ptr<site::NcclGroup>> make_device_group(const lhComm& comm, const DeviceRecord& ids, device::NcclComm adopted);

}  // namespace longhaul::api
