// SPDX-License-Identifier: Apache-2.0
// Which kernels are there? Every one by its name in the image, and the program it runs (programs.h). From these lists come the kernels that
// nvcc compiles (kernels/codecs/*/device.cu), the table that finds them on a GPU (launches.cpp), and what a test's double of CUDA runs in their
// place. Of a codec's kernels for one purpose those for the three types follow each other, each with its form with error feedback
// behind it where there is one: launches.cpp counts on that.
#pragma once

// X(name, program)
#define LH_ENCODE_KERNELS(X, codec, ...)                       \
  X(codec##_encode_f32, Encodes<__VA_ARGS__, Fp32, false>)           \
  X(codec##_encode_f32_feedback, Encodes<__VA_ARGS__, Fp32, true>)   \
  X(codec##_encode_bf16, Encodes<__VA_ARGS__, Bf16, false>)          \
  X(codec##_encode_bf16_feedback, Encodes<__VA_ARGS__, Bf16, true>)  \
  X(codec##_encode_f16, Encodes<__VA_ARGS__, Fp16, false>)           \
  X(codec##_encode_f16_feedback, Encodes<__VA_ARGS__, Fp16, true>)

#define LH_COMBINE_KERNELS(X, codec, ...)              \
  X(codec##_combine_f32, Combines<__VA_ARGS__, Fp32>)  \
  X(codec##_combine_bf16, Combines<__VA_ARGS__, Bf16>) \
  X(codec##_combine_f16, Combines<__VA_ARGS__, Fp16>)

#define LH_BF16_KERNELS(X) LH_ENCODE_KERNELS(X, bf16, Plain<Bf16Warp>) LH_COMBINE_KERNELS(X, bf16, Plain<Bf16Warp>)
#define LH_I8_KERNELS(X) LH_ENCODE_KERNELS(X, i8, Plain<I8Warp>) LH_COMBINE_KERNELS(X, i8, Plain<I8Warp>)
#define LH_R4_KERNELS(X) LH_ENCODE_KERNELS(X, r4, Rotated<R4>) LH_COMBINE_KERNELS(X, r4, Rotated<R4>)
#define LH_R2_KERNELS(X) LH_ENCODE_KERNELS(X, r2, Rotated<R2>) LH_COMBINE_KERNELS(X, r2, Rotated<R2>)
#define LH_F4_KERNELS(X)                                          \
  X(f4_largest_f32, FindsLargest<Fp32, false>)                    \
  X(f4_largest_f32_feedback, FindsLargest<Fp32, true>)            \
  X(f4_largest_bf16, FindsLargest<Bf16, false>)                   \
  X(f4_largest_bf16_feedback, FindsLargest<Bf16, true>)           \
  X(f4_largest_f16, FindsLargest<Fp16, false>)                    \
  X(f4_largest_f16_feedback, FindsLargest<Fp16, true>)            \
  LH_ENCODE_KERNELS(X, f4, Plain<F4Warp>) LH_COMBINE_KERNELS(X, f4, Plain<F4Warp>)
#define LH_LOSSLESS_KERNELS(X)                \
  X(lossless_survey_f32, Surveys<Fp32>)       \
  X(lossless_survey_bf16, Surveys<Bf16>)      \
  X(lossless_survey_f16, Surveys<Fp16>)       \
  X(lossless_code_f32, CodesExponents<Fp32>)           \
  X(lossless_code_bf16, CodesExponents<Bf16>)          \
  X(lossless_code_f16, CodesExponents<Fp16>)           \
  X(lossless_rest_f32, WritesRest<Fp32>)      \
  X(lossless_rest_bf16, WritesRest<Bf16>)     \
  X(lossless_rest_f16, WritesRest<Fp16>)      \
  X(lossless_combine_f32, CombinesLossless<Fp32>)   \
  X(lossless_combine_bf16, CombinesLossless<Bf16>)  \
  X(lossless_combine_f16, CombinesLossless<Fp16>)

#define LH_GPU_KERNELS(X) \
  LH_BF16_KERNELS(X) LH_I8_KERNELS(X) LH_F4_KERNELS(X) LH_R4_KERNELS(X) LH_R2_KERNELS(X) LH_LOSSLESS_KERNELS(X)
