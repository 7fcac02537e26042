// SPDX-License-Identifier: Apache-2.0
// The optimiser step. No run-time dispatch here, on purpose: two machines with the same binary must round alike.
#include "adam.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace char_lm {

float Adam::rate() const {
  constexpr int kWarmUp = 5;
  const float warm = std::min(1.0F, static_cast<float>(done_) / kWarmUp);
  const float progress = static_cast<float>(done_) / static_cast<float>(std::max(1, steps_));
  return peak_rate_ * warm * (0.1F + 0.45F * (1.0F + std::cos(std::numbers::pi_v<float> * std::min(1.0F, progress))));
}

void Adam::step(std::span<float> parameters, std::span<const float> gradients) {
  constexpr float kBeta1 = 0.9F;
  constexpr float kBeta2 = 0.98F;
  constexpr float kEpsilon = 1e-8F;
  ++done_;
  const float mean_bias = 1.0F - std::pow(kBeta1, static_cast<float>(done_));
  const float square_bias = 1.0F - std::pow(kBeta2, static_cast<float>(done_));
  const float scale = rate() / mean_bias;
  const float square_scale = 1.0F / square_bias;
  float* const mean = mean_.data();
  float* const square = square_.data();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const float gradient = gradients[i];
    mean[i] = kBeta1 * mean[i] + (1.0F - kBeta1) * gradient;
    square[i] = kBeta2 * square[i] + (1.0F - kBeta2) * gradient * gradient;
    parameters[i] -= scale * mean[i] / (std::sqrt(square[i] * square_scale) + kEpsilon);
  }
}

}  // namespace char_lm
