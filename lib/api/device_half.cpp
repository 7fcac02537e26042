// SPDX-License-Identifier: Apache-2.0
#include "api/device_half.h"

#include <algorithm>
#include <cstring>

#include "api/link_options.h"
#include "base/log.h"
#include "config/environment.h"

namespace longhaul::api {
namespace {

/// One chunk in a slot, whole: a call in the rail scope has no smaller parts.
std::size_t slot_bytes(const config::Wan& wan) { return (largest_payload(wan) + 4095) / 4096 * 4096; }

constexpr std::size_t kMostSlots = 128;  // chunks that the engine has under way

bool several_ranks_allowed() {
  const auto value = config::variable(config::process_environment(), "NCCL_MULTI_RANK_GPU_ENABLE");
  return value && *value != "0";
}

bool same(const device::CuUuid& a, const device::CuUuid& b) { return std::memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0; }

void append(std::vector<std::byte>* out, const void* bytes, std::size_t size) {
  const auto* first = static_cast<const std::byte*>(bytes);
  out->insert(out->end(), first, first + size);
}

}  // namespace

void DeviceRecord::append_to(std::vector<std::byte>* out) const {
  out->push_back(on_device ? std::byte{1} : std::byte{0});
  append(out, gpu.bytes, sizeof gpu.bytes);
  append(out, collecting.internal, sizeof collecting.internal);
  append(out, distributing.internal, sizeof distributing.internal);
}

DeviceRecord DeviceRecord::from(ConstBytes bytes) {
  DeviceRecord record;
  if (bytes.size() != kBytes) return record;
  record.on_device = bytes[0] != std::byte{0};
  const std::byte* at = bytes.data() + 1;
  std::memcpy(record.gpu.bytes, at, sizeof record.gpu.bytes);
  at += sizeof record.gpu.bytes;
  std::memcpy(record.collecting.internal, at, sizeof record.collecting.internal);
  at += sizeof record.collecting.internal;
  std::memcpy(record.distributing.internal, at, sizeof record.distributing.internal);
  return record;
}

Status open_device(lhComm* comm, int device) {
  auto gpu = device::Gpu::open(device);
  if (!gpu.ok()) return gpu.take_status();
  auto turnstile = device::Turnstile::make(*gpu);
  if (!turnstile.ok()) return turnstile.take_status();
  // Its streams, one of them waiting, would share one queue of the GPU with everything of their priority.
  if (const auto value = config::variable(config::process_environment(), "CUDA_DEVICE_MAX_CONNECTIONS"); value && *value == "1")
    log_warn("CUDA_DEVICE_MAX_CONNECTIONS is 1: calls of Longhaul may hold back other work on the GPU, and one issued in a stream of the highest "
             "priority may never end; set it to 8 or more");
  comm->gpu = std::move(*gpu);
  comm->turnstile = std::move(*turnstile);
  return {};
}

Result<DeviceRecord> make_record(const lhComm& comm, bool first_of_site, int site_size) {
  DeviceRecord record;
  if (!comm.gpu) return record;
  record.on_device = true;
  record.gpu = comm.gpu->uuid();
  if (site_size == 1) return record;
  auto nccl = device::load_nccl();
  if (!nccl.ok()) return nccl.take_status();
  if (!first_of_site) return record;
  for (device::NcclUniqueId* id : {&record.collecting, &record.distributing})
    if (const int result = (*nccl)->unique_id(id); result != device::kNcclSuccess)
      return error(lhSystemError, "ncclGetUniqueId: {}: NCCL found no network interface, or NCCL_COMM_ID or NCCL_SOCKET_IFNAME name none",
                   (*nccl)->error_string(result));
  return record;
}

Status check_site(const std::string& site, std::span<const DeviceRecord> records) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (records[i].on_device != records[0].on_device)
      return error(lhInvalidUsage, "rank {} of site {} {} a GPU and rank 0 {}: set lhConfig_t.device at all ranks of a site, or at none", i, site,
                   records[i].on_device ? "has" : "has not", records[0].on_device ? "has" : "has not");
    for (std::size_t j = 0; j < i && records[i].on_device; ++j) {
      if (!same(records[i].gpu, records[j].gpu) || several_ranks_allowed()) continue;
      return error(lhInvalidUsage, "rank {} and rank {} of site {} use the same GPU: NCCL wants one for each (lhConfig_t.device = local rank); "
                   "NCCL 2.30 and newer can share one with NCCL_MULTI_RANK_GPU_ENABLE=1 and NCCL_NVLS_ENABLE=0", j, i, site);
    }
  }
  return {};
}

Result<std::unique_ptr<site::NcclGroup>> make_device_group(const lhComm& comm, const DeviceRecord& ids, device::NcclComm adopted) {
  const engine::Members& members = comm.members;
  site::NcclParts parts;
  parts.turnstile = comm.turnstile;
  {
    const device::Current current(*comm.gpu);
    if (!current.status().ok()) return current.status();
    std::string why_not;
    auto codecs = device::Codecs::make(comm.gpu, &why_not);
    if (!codecs.ok()) return codecs.take_status();
    parts.codecs = std::move(*codecs);
    log_info(parts.codecs ? fmt::format("GPU {}: codecs run on the GPU", comm.gpu->device())
                          : fmt::format("GPU {}: codecs run on the CPU: {}", comm.gpu->device(), why_not));
    auto staging = site::Staging::make(comm.gpu, slot_bytes(comm.wan), comm.wan.staging_bytes, kMostSlots, parts.codecs != nullptr);
    if (!staging.ok()) return staging.take_status();
    parts.staging = std::move(*staging);
  }
  parts.timed = config::variable(config::process_environment(), "LONGHAUL_TRACE").has_value();
  parts.rank = members.site_rank();
  parts.ranks = members.site_size();
  if (members.site_size() > 1) {
    auto nccl = device::load_nccl();
    if (!nccl.ok()) return nccl.take_status();
    const auto options = [&](const char* half) {
      return site::NcclOptions{.max_ctas = comm.wan.nccl_ctas,
                               .traffic_class = comm.wan.nccl_traffic_class,
                               .name = fmt::format("longhaul {} {}", members.site_names[static_cast<std::size_t>(members.site())], half)};
    };
    parts.collecting = std::make_unique<site::NcclComm>(*nccl, options("collect"));
    parts.distributing = std::make_unique<site::NcclComm>(*nccl, options("distribute"));
    parts.start = [ids, adopted, size = members.site_size(), rank = members.site_rank(), first = parts.collecting.get()](site::NcclComm* half) {
      if (adopted)
        half->start_from(adopted, rank);
      else
        half->start(half == first ? ids.collecting : ids.distributing, size, rank);
    };
  }
  return site::NcclGroup::make(comm.gpu, std::move(parts));
}

}  // namespace longhaul::api
