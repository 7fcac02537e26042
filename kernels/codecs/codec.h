// SPDX-License-Identifier: Apache-2.0
// What every codec's folder offers: its sizes, and its arithmetic in two forms that give the same bytes: the scalar reference,
// which is the specification, and the SIMD form, which the library runs. docs/codecs.md. Pure functions; no pointer needs more
// than byte alignment; input and output do not overlap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace longhaul::kernels {

/// Names the random signs of the rotating codecs (r4, r2): equal at every site, and another for every chunk of every call.
struct Rotation {
  std::uint64_t key = 0;
  std::uint64_t operation = 0;
  std::uint32_t chunk = 0;
};

/// encode(): the input holds what this codec cannot carry. blob_bytes(): no blob begins here.
constexpr std::size_t kNone = static_cast<std::size_t>(-1);

struct CodecForm {
  /// Writes the blob of `count` values to `out`, which has room for most_bytes(count), and returns its size. kNone: the values
  /// hold NaN, Inf or numbers too large for the codec; `out` is then unspecified.
  std::size_t (*encode)(const float* in, std::size_t count, const Rotation& rotation, std::byte* out);
  /// sum[i] += value i of the blob; with `first`, sum[i] = value i. blob_bytes() has found it to be a blob of `count` values. A NaN
  /// sum is the quiet NaN. `sum` has room for `count` rounded up to accumulator_block.
  void (*decode_add)(const std::byte* blob, std::size_t count, bool first, float* sum);
  /// Turns the sum of all blobs into values; null where it is one already. A rotating codec sums rotated values and rotates once.
  void (*finish)(float* sum, std::size_t count, const Rotation& rotation);
};

struct CodecKernels {
  std::size_t accumulator_block;
  /// Room that encode() needs; SIZE_MAX where `count` is more than any memory holds.
  std::size_t (*most_bytes)(std::size_t count);
  /// Size of the blob of `count` values that `bytes` begin with, or kNone. Any bytes: what it accepts can be decoded.
  std::size_t (*blob_bytes)(std::span<const std::byte> bytes, std::size_t count);
  const CodecForm* simd;
  const CodecForm* reference;
};

/// Beyond this no buffer of fp32 values exists; sizes saturate there instead of wrapping.
constexpr std::size_t kMostValues = kNone / 8;

/// Pads a part of a blob.
constexpr std::size_t padded_to_16(std::size_t bytes) { return (bytes + 15) / 16 * 16; }

constexpr std::size_t blocks_of(std::size_t count, std::size_t block) { return count / block + (count % block != 0 ? 1 : 0); }

/// most_bytes() of a codec whose blobs of `count` values have one size.
template <std::size_t (*kBytes)(std::size_t)>
std::size_t fixed_bytes(std::size_t count) {
  return count > kMostValues ? kNone : kBytes(count);
}

/// blob_bytes() of such a codec.
template <std::size_t (*kBytes)(std::size_t)>
std::size_t fixed_blob(std::span<const std::byte> bytes, std::size_t count) {
  return count <= kMostValues && bytes.size() >= kBytes(count) ? kBytes(count) : kNone;
}

}  // namespace longhaul::kernels
