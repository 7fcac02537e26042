// SPDX-License-Identifier: Apache-2.0
// Input data: a pure function of (iteration, rank, index), so that every rank can compute every other rank's input and
// with it the reference result. Values are exact in their type. Pure.
#pragma once

#include <longhaul/longhaul.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace longhaul::perf {

struct Problem {
  lhDataType_t type = lhFloat32;
  lhRedOp_t op = lhSum;
  std::uint64_t iteration = 0;
  std::vector<int> site_of_rank;
  int sites = 1;
  bool sums_in_type = false;  ///< a sum is rounded to the type after every rank, as NCCL does with 16-bit floats
  int ranks() const { return static_cast<int>(site_of_rank.size()); }
};

/// Seed of one rank's data in one iteration; input_* take it so that inner loops need not recompute it.
std::uint64_t input_seed(const Problem& problem, int rank);
/// Element of a float type: uniform in [-1, 1), for Prod within 1 +- 1/31.
double float_input(const Problem& problem, std::uint64_t seed, std::uint64_t index);
/// Element of an integer type in the low bytes (the rest is undefined): the whole range, for Avg small enough not to
/// wrap.
std::uint64_t integer_input(const Problem& problem, std::uint64_t seed, std::uint64_t index);

/// Fills `out`, whole elements, with this rank's input from index 0.
void fill(const Problem& problem, int rank, std::span<std::byte> out);

/// Element `index` of a float type as a double.
double load_float(lhDataType_t type, const std::byte* data, std::uint64_t index);
/// Writes a value that is exact in its type.
void store_float(lhDataType_t type, std::byte* data, std::uint64_t index, double value);

/// 64-bit digest of a result for the comparison between ranks. Not for secrets.
std::uint64_t digest(std::span<const std::byte> bytes);

}  // namespace longhaul::perf
