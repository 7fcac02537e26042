// SPDX-License-Identifier: Apache-2.0
// See input.h.
#include "config/input.h"

#include <array>
#include <cstddef>
#include <cstring>

namespace longhaul::config {
namespace {

struct Field {
  std::size_t offset;
  std::size_t bytes;
};

#define LH_FIELD(name) \
  Field { offsetof(lhConfig_t, name), sizeof(lhConfig_t::name) }
constexpr std::array<Field, 11> kFields{
    LH_FIELD(file),  LH_FIELD(runId), LH_FIELD(site), LH_FIELD(siteRank), LH_FIELD(siteSize), LH_FIELD(siteAddress),
    LH_FIELD(sites), LH_FIELD(wan),   LH_FIELD(oob),  LH_FIELD(device),   LH_FIELD(blocking)};
#undef LH_FIELD

constexpr std::size_t kHeaderBytes = offsetof(lhConfig_t, version) + sizeof(unsigned);

Status check_header(const lhConfig_t& config) {
  // Only `size` may be read before it says that there is more.
  const bool sound = config.size >= kHeaderBytes && config.magic == LH_CONFIG_MAGIC && config.version > 0;
  if (!sound) {
    return error(lhInvalidArgument,
                 "lhConfig_t is not initialised (size, magic or version is wrong): start from "
                 "LH_CONFIG_INITIALIZER");
  }
  if (config.size > sizeof(lhConfig_t) || config.version > LH_VERSION_CODE) {
    return error(
        lhInvalidArgument,
        "lhConfig_t (size {}, version {}) is from a newer longhaul.h than this library (size {}, version {}): start "
        "from LH_CONFIG_INITIALIZER of the header that belongs to the library",
        config.size, config.version, sizeof(lhConfig_t), LH_VERSION_CODE);
  }
  return {};
}

}  // namespace

Result<lhConfig_t> copy_struct(const lhConfig_t* config) {
  lhConfig_t copy = LH_CONFIG_INITIALIZER;
  if (config == nullptr) return copy;
  Status status = check_header(*config);
  if (!status.ok()) return status;
  for (const Field& field : kFields) {
    if (field.offset + field.bytes > config->size) continue;
    std::memcpy(reinterpret_cast<std::byte*>(&copy) + field.offset,
                reinterpret_cast<const std::byte*>(config) + field.offset, field.bytes);
  }
  if (copy.device < -1) return error(lhInvalidArgument, "device {} is no device: set -1 for host memory", copy.device);
  if (copy.blocking != 0 && copy.blocking != 1) {
    return error(lhInvalidArgument, "blocking {} must be 0 or 1", copy.blocking);
  }
  if (copy.oob != nullptr && copy.oob->allgather == nullptr) {
    return error(lhInvalidArgument, "lhConfig_t.oob has no allgather function: set it, or leave oob NULL");
  }
  return copy;
}

}  // namespace longhaul::config
