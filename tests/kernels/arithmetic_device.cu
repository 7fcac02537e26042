// SPDX-License-Identifier: Apache-2.0
// Compiles the arithmetic that host and device share for the device: CUDA kernels are to use these very functions.
#include "kernels/codecs/f4/arithmetic.h"
#include "kernels/codecs/i8/arithmetic.h"
#include "kernels/codecs/lossless/arithmetic.h"
#include "kernels/codecs/rotated/arithmetic.h"
#include "kernels/float16.h"

namespace longhaul::kernels {

__global__ void convert_all(const float* in, float* out, int count) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) out[i] = bf16_to_float(float_to_bf16(in[i])) + fp16_to_float(float_to_fp16(in[i]));
}

__global__ void code_all(const float* in, float* out, int count) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= count) return;
  const Bits32 largest = magnitude_of(in[i]);
  const Bits16 scale = i8_scale(largest);
  float sum = i8_value(i8_code(in[i], i8_inverse(scale)), scale);
  const Bits8 exponent = f4_exponent(largest);
  const float step = f4_step(f4_scale(largest, f4_inverse_unit(exponent)), f4_unit(exponent));
  sum += f4_value(f4_code(in[i], f4_inverse(step)), step);
  const float w = scaled_down(in[i], largest >> 23), m = twelve_bits(w);
  sum += m * rotated_inverse<R4>(m * m) + rotated_step(rotated_scale<R2>(m * m, m, largest >> 23));
  out[i] = sum + static_cast<float>(rotation_signs(1, 2, 3, 4).words[i % 4]);
}

__global__ void push_and_pop(const Bits32* histogram, Bits32* out, Bits32 count) {
  LosslessTable table = {};
  const Bits32 escapes = lossless_table(histogram, count, &table);
  const int symbol = lossless_symbol(threadIdx.x, table.base);
  const Bits32 state = lossless_push(kLosslessLow, table.frequency[symbol], table.start[symbol]);
  out[threadIdx.x] = lossless_pop(state, table.frequency[symbol], table.start[symbol]) + lossless_full(state, table.frequency[symbol]) + escapes;
}

}  // namespace longhaul::kernels
