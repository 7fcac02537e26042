// SPDX-License-Identifier: Apache-2.0
// Error feedback: what an encoding lost of a value is added to the next value of the same place. Residuals are bf16. Pure functions; no
// pointer needs more than byte alignment. docs/codecs.md.
#pragma once

#include <cstddef>
#include <cstdint>

namespace longhaul::kernels {

/// out[i] = values[i] + residual[i]; `out` may be `values`.
void add_residual(const float* values, const std::uint16_t* residual, std::size_t count, float* out);
/// residual[i] = values[i] - decoded[i], which is what was to be sent and what was.
void keep_residual(const float* values, const float* decoded, std::size_t count, std::uint16_t* residual);

}  // namespace longhaul::kernels
