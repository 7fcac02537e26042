// SPDX-License-Identifier: Apache-2.0
// A network of two layers on a GPU, y = W2 tanh(W1 x), with its gradients: just enough computation to have something to
// all-reduce. Plain kernels and no library: a real program has cuBLAS here.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace gpu_training {

constexpr int kInputs = 64, kHidden = 4096, kOutputs = 16, kBatch = 256;
constexpr int kFirst = kHidden * kInputs, kSecond = kOutputs * kHidden;  // parameters of each layer

// c[m][n] = scale * sum over k of a(m, k) * b(k, n); strides say how a and b lie.
struct Matrix {
  const float* data;
  int row, column;
};
__global__ void multiply(float* c, Matrix a, Matrix b, int rows, int columns, int depth, float scale) {
  const int index = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (index >= rows * columns) return;
  const int m = index / columns, n = index % columns;
  float sum = 0;
  for (int k = 0; k < depth; ++k) sum += a.data[m * a.row + k * a.column] * b.data[k * b.row + n * b.column];
  c[index] = scale * sum;
}

// Numbers from -1 to 1 that depend on `seed` and the place only (a 32-bit finaliser of MurmurHash3).
__global__ void fill(float* out, int count, std::uint32_t seed, float scale) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= count) return;
  std::uint32_t h = seed * 0x9e3779b9U + static_cast<std::uint32_t>(i);
  h = (h ^ (h >> 16)) * 0x85ebca6bU;
  h = (h ^ (h >> 13)) * 0xc2b2ae35U;
  h ^= h >> 16;
  out[i] = scale * (static_cast<float>(h) * (2.0F / 4294967296.0F) - 1.0F);
}

__global__ void activate(float* h, int count) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) h[i] = tanhf(h[i]);
}

// error -= target, and the batch's mean square into *loss (which starts as zero).
__global__ void compare(float* error, const float* target, int count, float* loss) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= count) return;
  error[i] -= target[i];
  atomicAdd(loss, error[i] * error[i] / static_cast<float>(count));
}

// Through tanh: d *= 1 - h * h.
__global__ void through_activation(float* d, const float* h, int count) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) d[i] *= 1.0F - h[i] * h[i];
}

__global__ void descend(float* parameters, const float* gradients, int count, float rate) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) parameters[i] -= rate * gradients[i];
}

inline int blocks(int count) { return (count + 255) / 256; }

}  // namespace gpu_training
