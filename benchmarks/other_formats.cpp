// SPDX-License-Identifier: Apache-2.0
#include "other_formats.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/float16.h"

namespace {

using longhaul::kernels::bf16_to_float;
using longhaul::kernels::float_to_bf16_up;
using longhaul::kernels::float_to_fp16;
using longhaul::kernels::fp16_to_float;

float largest_of(std::span<const float> values) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
  return largest;
}

/// To the nearest E4M3 number (largest 448, smallest 2^-9), ties to even.
float to_e4m3(float value) {
  const float magnitude = std::min(std::fabs(value), 448.0F);
  const int exponent = magnitude > 0 ? std::max(std::ilogb(magnitude), -6) : -6;
  const float step = std::ldexp(1.0F, exponent - 3);
  return std::copysign(std::min(std::nearbyint(magnitude / step) * step, 448.0F), value);
}

std::size_t fp8(std::span<const float> values, float* decoded) {
  constexpr std::size_t kBlock = 128;
  std::size_t bytes = values.size();
  for (std::size_t begin = 0; begin < values.size(); begin += kBlock, bytes += 2) {
    const auto block = values.subspan(begin, std::min(kBlock, values.size() - begin));
    const float scale = bf16_to_float(float_to_bf16_up(largest_of(block) / 448));
    for (std::size_t i = 0; i < block.size(); ++i) decoded[begin + i] = scale > 0 ? to_e4m3(block[i] / scale) * scale : 0;
  }
  return bytes;
}

std::size_t min_max_int8(std::span<const float> values, float* decoded) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const float step = values.empty() ? 0 : (*most - *least) / 255;
  for (std::size_t i = 0; i < values.size(); ++i) decoded[i] = step > 0 ? *least + std::nearbyint((values[i] - *least) / step) * step : *least;
  return values.size() + 8;
}

std::size_t int4(std::span<const float> values, float* decoded) {
  constexpr std::size_t kBlock = 32;
  std::size_t bytes = (values.size() + 1) / 2;
  // fp16 scales of gradients below 1e-6 would be denormal: one power of two for all, as f4 has it.
  const float unit = std::exp2(std::ceil(std::log2(std::max(largest_of(values), 1e-30F))));
  for (std::size_t begin = 0; begin < values.size(); begin += kBlock, bytes += 2) {
    const auto block = values.subspan(begin, std::min(kBlock, values.size() - begin));
    const float scale = fp16_to_float(float_to_fp16(largest_of(block) / 7 / unit)) * unit;
    for (std::size_t i = 0; i < block.size(); ++i)
      decoded[begin + i] = scale > 0 ? std::clamp(std::nearbyint(block[i] / scale), -7.0F, 7.0F) * scale : 0;
  }
  return bytes + 4;
}

constexpr std::array kFormats = {OtherFormat{"fp8 e4m3, scale for 128", fp8}, OtherFormat{"int8, min-max of all", min_max_int8},
                                 OtherFormat{"int4, scale for 32", int4}};

}  // namespace

std::span<const OtherFormat> other_formats() { return kFormats; }
