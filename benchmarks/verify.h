// SPDX-License-Identifier: Apache-2.0
// Verification of a result against a reference computed in fp64 from everybody's input, with the documented bound of
// the codec. Integers, Max and Min are exact. Pure.
#pragma once

#include <longhaul/longhaul.h>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "benchmarks/data.h"

namespace longhaul::perf {

/// Blocks of every codec lie inside aligned runs of this many elements of the whole buffer.
constexpr std::uint64_t kCheckBlock = 1024;

struct Verdict {
  std::uint64_t wrong = 0;        ///< elements out of bounds
  double max_error = 0;           ///< largest |result - reference|
  double max_reference = 0;       ///< largest |reference|
  std::uint64_t first_wrong = 0;  ///< index, with the three below, when wrong > 0
  double got = 0, expected = 0, bound = 0;
};

/// Contribution of a lossy codec to the error bound of one element, for one site: `site_sum` is that site's sum of the
/// element, `block_max` the largest |site sum| in the element's aligned run of kCheckBlock.
double codec_bound(lhCodec_t codec, double site_sum, double block_max);

/// Checks elements [first, last) of `result` (the whole buffer); `first` is a multiple of kCheckBlock. `codecs` are
/// those that may have been used; the loosest counts.
Verdict verify(const Problem& problem, std::span<const std::byte> result, std::uint64_t first, std::uint64_t last,
               const std::vector<lhCodec_t>& codecs);

/// The run of elements that `rank` verifies: all ranks together cover the buffer, and the digests cover the rest.
std::pair<std::uint64_t, std::uint64_t> share_of(int rank, int ranks, std::uint64_t count);

}  // namespace longhaul::perf
