// SPDX-License-Identifier: Apache-2.0
// Error feedback of one value, for host and device.
#pragma once

#include "kernels/float16.h"

namespace longhaul::kernels {

/// A finite value stays finite: feedback must not invent an Inf. NaN and Inf stay what they are.
LH_SHARED float with_residual(float value, Bits16 residual) {
  const float sum = value + bf16_to_float(residual);
  return canonical(magnitude_of(sum) == kInfBits ? value : sum);
}

/// What is to be added next time. 0 where one of the two is not finite: otherwise one NaN would stay for ever.
LH_SHARED Bits16 residual_of(float value, float decoded) {
  const float rest = value - decoded;
  return magnitude_of(rest) >= kInfBits ? Bits16{0} : float_to_finite_bf16(rest);
}

}  // namespace longhaul::kernels
