// SPDX-License-Identifier: Apache-2.0
// A half-open range of elements of the whole buffer of a collective call.
#pragma once

#include <algorithm>
#include <cstdint>

namespace longhaul {

struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  std::uint64_t count() const { return end - begin; }
  bool empty() const { return begin >= end; }
  bool contains(const Range& other) const { return other.empty() || (begin <= other.begin && other.end <= end); }
  bool operator==(const Range&) const = default;
};

/// The common part; {0, 0} where there is none.
inline Range intersect(const Range& a, const Range& b) {
  const Range common{std::max(a.begin, b.begin), std::min(a.end, b.end)};
  return common.empty() ? Range{} : common;
}

}  // namespace longhaul
