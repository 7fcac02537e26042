// SPDX-License-Identifier: Apache-2.0
// lhConfig_t as it comes over the C ABI: possibly null, uninitialised, or of a version with fewer fields.
#pragma once

#include "base/status.h"

namespace longhaul::config {

/// A checked copy; fields an older caller does not have keep their defaults. Null: all defaults. Errors are
/// lhInvalidArgument, and lhUnsupported for a device.
Result<lhConfig_t> copy_struct(const lhConfig_t* config);

}  // namespace longhaul::config
