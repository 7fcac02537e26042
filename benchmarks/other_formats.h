// SPDX-License-Identifier: Apache-2.0
// Formats that Longhaul does not have, to compare its codecs with: plain scalar round trips, sizes counted as they would be sent.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

struct OtherFormat {
  std::string_view name;
  /// What `values` become; returns bytes.
  std::size_t (*round_trip)(std::span<const float> values, float* decoded);
};

/// fp8 (E4M3, a bf16 scale for every 128), int8 between the least and the largest value of all (as PCCL has it), int4 with an fp16 scale for every 32.
std::span<const OtherFormat> other_formats();
