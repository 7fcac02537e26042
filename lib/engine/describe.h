// SPDX-License-Identifier: Apache-2.0
// Calls as people write them, for error texts; and the announcement of a call.
#pragma once

#include <string>

#include "plan/call.h"
#include "wire/announcement.h"

namespace longhaul::engine {

/// Name of the C function.
const char* function_name(std::uint8_t collective);
/// "lhAllReduce(count=1048576, float32, sum, codec i8)": total over any values.
std::string describe(const wire::Announcement& announcement);

wire::Announcement announcement_of(const plan::Call& call);

}  // namespace longhaul::engine
