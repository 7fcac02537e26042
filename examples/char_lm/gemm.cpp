// SPDX-License-Identifier: Apache-2.0
// Register-blocked product: sixteen rows of A are packed at a time, then 4 x 16 tiles of C are kept in registers while
// k runs. Vectors are the compiler's own extension (GCC and clang), so the same source serves AVX2, SSE2 and NEON; on
// x86-64 the AVX2 form is chosen at run time.
#include "gemm.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace char_lm {
namespace {

constexpr std::size_t kLanes = 8;
constexpr std::size_t kTileRows = 4;
constexpr std::size_t kTileColumns = 2 * kLanes;
constexpr std::size_t kPanelRows = 16;  // one cache line of a column of A, whichever way A is stored

using Vector = float __attribute__((vector_size(kLanes * sizeof(float))));

#define CHAR_LM_INLINE [[gnu::always_inline]] inline

/// Copies `rows` rows of A from `first` on as groups of four rows, k outer, padded with zeros.
CHAR_LM_INLINE void pack(StridedMatrix a, std::size_t first, std::size_t rows, std::size_t k, float* packed) {
  for (std::size_t group = 0; group < kPanelRows; group += kTileRows) {
    float* out = packed + group * k;
    for (std::size_t r = 0; r < kTileRows; ++r) {
      const std::size_t row = group + r;
      const float* in = a.data + (first + row) * a.row_stride;
      for (std::size_t p = 0; p < k; ++p) out[p * kTileRows + r] = row < rows ? in[p * a.column_stride] : 0.0F;
    }
  }
}

/// A full 4 x 16 tile; `c` receives only the first `rows` rows.
CHAR_LM_INLINE void tile(const float* a, const float* b, std::size_t n, std::size_t k, std::size_t rows, float* c) {
  Vector sum[kTileRows][2] = {};
  for (std::size_t p = 0; p < k; ++p) {
    Vector left;
    Vector right;
    std::memcpy(&left, b + p * n, sizeof left);
    std::memcpy(&right, b + p * n + kLanes, sizeof right);
    for (std::size_t r = 0; r < kTileRows; ++r) {
      sum[r][0] += a[p * kTileRows + r] * left;
      sum[r][1] += a[p * kTileRows + r] * right;
    }
  }
  for (std::size_t r = 0; r < rows; ++r) std::memcpy(c + r * n, sum[r], sizeof sum[r]);
}

/// The columns that do not fill a tile.
CHAR_LM_INLINE void edge(const float* a, const float* b, std::size_t n, std::size_t k, std::size_t rows,
                         std::size_t columns, float* c) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < columns; ++j) {
      float sum = 0;
      for (std::size_t p = 0; p < k; ++p) sum += a[p * kTileRows + r] * b[p * n + j];
      c[r * n + j] = sum;
    }
  }
}

CHAR_LM_INLINE void multiply_all(std::size_t m, std::size_t n, std::size_t k, StridedMatrix a, const float* b, float* c,
                                 float* packed) {
  for (std::size_t first = 0; first < m; first += kPanelRows) {
    const std::size_t panel = std::min(kPanelRows, m - first);
    pack(a, first, panel, k, packed);
    for (std::size_t j = 0; j < n; j += kTileColumns) {
      for (std::size_t group = 0; group < panel; group += kTileRows) {
        const std::size_t rows = std::min(kTileRows, panel - group);
        float* out = c + (first + group) * n + j;
        if (j + kTileColumns <= n) {
          tile(packed + group * k, b + j, n, k, rows, out);
        } else {
          edge(packed + group * k, b + j, n, k, rows, n - j, out);
        }
      }
    }
  }
}

void multiply_baseline(std::size_t m, std::size_t n, std::size_t k, StridedMatrix a, const float* b, float* c,
                       float* packed) {
  multiply_all(m, n, k, a, b, c, packed);
}

#ifdef __x86_64__
[[gnu::target("avx2,fma")]] void multiply_avx2(std::size_t m, std::size_t n, std::size_t k, StridedMatrix a,
                                               const float* b, float* c, float* packed) {
  multiply_all(m, n, k, a, b, c, packed);
}
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif

}  // namespace

void multiply(std::size_t m, std::size_t n, std::size_t k, StridedMatrix a, const float* b, float* c) {
  std::vector<float> packed(kPanelRows * k);
#ifdef __x86_64__
  static const bool avx2 = has_avx2();
  if (avx2) return multiply_avx2(m, n, k, a, b, c, packed.data());
#endif
  multiply_baseline(m, n, k, a, b, c, packed.data());
}

void transpose(std::size_t rows, std::size_t columns, const float* from, float* to) {
  constexpr std::size_t kBlock = 16;
  for (std::size_t i0 = 0; i0 < rows; i0 += kBlock) {
    for (std::size_t j0 = 0; j0 < columns; j0 += kBlock) {
      const std::size_t i1 = std::min(rows, i0 + kBlock);
      const std::size_t j1 = std::min(columns, j0 + kBlock);
      for (std::size_t i = i0; i < i1; ++i)
        for (std::size_t j = j0; j < j1; ++j) to[j * rows + i] = from[i * columns + j];
    }
  }
}

}  // namespace char_lm
