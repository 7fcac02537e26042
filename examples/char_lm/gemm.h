// SPDX-License-Identifier: Apache-2.0
// Single-threaded fp32 matrix product for the demo's model: no BLAS needed. One strided form serves the forward pass
// and both products of the backward pass, so there is one kernel to get right.
#pragma once

#include <cstddef>

namespace char_lm {

/// A matrix read element by element: element (i, j) is data[i * row_stride + j * column_stride].
struct StridedMatrix {
  const float* data = nullptr;
  std::size_t row_stride = 0;
  std::size_t column_stride = 1;
};

/// C[m x n] = A[m x k] * B[k x n]. B and C are row-major without padding. C must not overlap A or B.
void multiply(std::size_t m, std::size_t n, std::size_t k, StridedMatrix a, const float* b, float* c);

/// to[columns x rows] = transpose of from[rows x columns], both row-major.
void transpose(std::size_t rows, std::size_t columns, const float* from, float* to);

}  // namespace char_lm
