// SPDX-License-Identifier: Apache-2.0
// What must codecs on a GPU give? The same as the references on the CPU, put together as the engine does (chunk_combine.cpp). For the
// tests of the kernels' source on the CPU and of the kernels on a GPU.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "codec/codec.h"
#include "kernels/cuda/codec_device.h"
#include "kernels/feedback/arithmetic.h"
#include "kernels/reduce.h"
#include "unit/kernels_support.h"

namespace longhaul::test {

constexpr lhDataType_t kDeviceTypes[] = {lhFloat32, lhBfloat16, lhFloat16};

inline std::size_t bytes_of(lhDataType_t type) { return kernels::size_of(type); }

/// fp32 values as another type, and back.
inline std::vector<std::byte> as_type(const std::vector<float>& values, lhDataType_t type) {
  std::vector<std::byte> out(values.size() * bytes_of(type));
  kernels::from_float(out.data(), values.data(), values.size(), type, 1);
  return out;
}
inline std::vector<float> as_floats(const std::vector<std::byte>& values, lhDataType_t type) {
  std::vector<float> out(values.size() / bytes_of(type));
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (type == lhFloat32) std::memcpy(&out[i], values.data() + 4 * i, 4);
    std::uint16_t half = 0;
    std::memcpy(&half, values.data() + bytes_of(type) * i, 2);
    if (type == lhBfloat16) out[i] = kernels::bf16_to_float(half);
    if (type == lhFloat16) out[i] = kernels::fp16_to_float(half);
  }
  return out;
}

struct Encoded {
  std::vector<std::byte> blob;
  std::vector<std::uint16_t> next_residual;  // empty: no feedback
};

/// nullopt: refused.
inline std::optional<Encoded> expected_encode(const codec::Codec& codec, const std::vector<std::byte>& values, lhDataType_t type,
                                              const codec::Rotation& rotation, const std::vector<std::uint16_t>& residual) {
  std::vector<float> x = as_floats(values, type);
  for (std::size_t i = 0; i < residual.size(); ++i) x[i] = kernels::with_residual(x[i], residual[i]);
  Encoded out{std::vector<std::byte>(codec.most_bytes(x.size())), residual};
  const std::size_t size = codec.kernels->reference->encode(x.data(), x.size(), rotation, out.blob.data());
  if (size == codec::kNone) return std::nullopt;
  out.blob.resize(size);
  if (residual.empty()) return out;
  std::vector<float> decoded(codec.accumulator_values(x.size()));
  codec.kernels->reference->decode_add(out.blob.data(), x.size(), true, decoded.data());
  if (codec.rotates()) codec.kernels->reference->finish(decoded.data(), x.size(), rotation);
  for (std::size_t i = 0; i < x.size(); ++i) out.next_residual[i] = kernels::residual_of(x[i], decoded[i]);
  return out;
}

struct SiteBlob {
  std::vector<std::byte> bytes;
  bool fell_back;
};

inline std::vector<std::byte> expected_combine(const codec::Codec& agreed, const std::vector<SiteBlob>& sites, std::size_t count,
                                               const codec::Rotation& rotation, std::uint64_t divisor, lhDataType_t type) {
  std::vector<float> sum(agreed.accumulator_values(count));
  bool first = true;
  for (const bool rotated : {true, false}) {
    for (const SiteBlob& site : sites) {
      const codec::Codec& codec = site.fell_back ? codec::fallback() : agreed;
      if (codec.rotates() != rotated) continue;
      codec.kernels->reference->decode_add(site.bytes.data(), count, first, sum.data());
      first = false;
    }
    if (rotated && !first) agreed.kernels->reference->finish(sum.data(), count, rotation);
  }
  sum.resize(count);
  std::vector<std::byte> out(count * bytes_of(type));
  kernels::from_float(out.data(), sum.data(), count, type, divisor);
  if (type == lhFloat32 && divisor == 1 && count) std::memcpy(out.data(), sum.data(), out.size());
  return out;
}

/// One call. A "Gpu" below is a class with optional<Encoded> encode(DeviceCase) and bytes combine(DeviceCase, sites, divisor).
struct DeviceCase {
  const codec::Codec& codec;
  lhDataType_t type;
  std::size_t count;
  std::vector<std::byte> values;
  codec::Rotation rotation;
  std::vector<std::uint16_t> residual;  ///< empty: no error feedback
  std::size_t offset = 0;               ///< in values: buffers at addresses where no wide access is allowed
  std::uint64_t warps = 1;              ///< of the launch, where that can be chosen; and in which order things happen
  bool backwards = false, end = false;
};

/// Numbers made ahead, since drawing them takes longer than encoding.
class DevicePools {
 public:
  static constexpr std::size_t kMost = 20000;
  DevicePools() {
    Random random(41);
    for (std::uint64_t kind = 0; kind < kKinds; ++kind) pools_.push_back(samples(random, kind, 3 * kMost));
  }
  std::vector<float> draw(Random& random, std::uint64_t kind, std::size_t count) const {
    const float* begin = pools_[kind].data() + random.below(2 * kMost);
    return {begin, begin + count};
  }

 private:
  std::vector<std::vector<float>> pools_;
};

inline DeviceCase drawn(Random& random, const DevicePools& pools, const codec::Codec& codec, std::uint64_t kind, std::size_t count) {
  DeviceCase c{codec, kDeviceTypes[random.below(3)], count, {}, {random.next(), random.next(), static_cast<std::uint32_t>(random.next())}, {}};
  c.values = as_type(pools.draw(random, kind, count), c.type);
  c.offset = random.chance(0.3) ? 1 + random.below(3) : 0;
  c.end = random.chance(0.5);
  c.warps = 1 + random.below(5);
  c.backwards = random.chance(0.5);
  if (codec.relative_bound != 0 && random.chance(0.4)) {
    for (const float value : pools.draw(random, random.below(8) == 0 ? kKinds - 1 : kind, count))
      c.residual.push_back(kernels::float_to_bf16(value * 0x1p-5f));
  }
  return c;
}

template <typename Gpu>
bool same_encode(Gpu& gpu, const DeviceCase& c) {
  const auto expected = expected_encode(c.codec, c.values, c.type, c.rotation, c.residual);
  const auto actual = gpu.encode(c);
  if (!expected || !actual) return !expected && !actual;
  return expected->blob == actual->blob && expected->next_residual == actual->next_residual;
}

/// The sum of 1 to 8 sites that sent values of this kind or of others; what the codec refused, and some more, came as bf16.
template <typename Gpu>
bool same_combine(Random& random, const DevicePools& pools, Gpu& gpu, const DeviceCase& c, std::uint64_t kind) {
  std::vector<SiteBlob> sites(1 + random.below(random.chance(0.1) ? kernels::gpu::kMostBlobs : 3));
  for (SiteBlob& site : sites) {
    const auto values = as_type(pools.draw(random, random.chance(0.8) ? kind : random.below(kKinds), c.count), lhFloat32);
    auto encoded = expected_encode(c.codec, values, lhFloat32, c.rotation, {});
    site.fell_back = !encoded || random.chance(0.2);
    if (site.fell_back) encoded = expected_encode(codec::fallback(), values, lhFloat32, c.rotation, {});
    site.bytes = encoded->blob;
  }
  const std::uint64_t divisor = random.chance(0.5) ? 1 : 1 + random.below(20);
  return gpu.combine(c, sites, divisor) == expected_combine(c.codec, sites, c.count, c.rotation, divisor, c.type);
}

/// Bytes changed in a blob, as long as it stays one: what a peer may send is decoded the same, too.
template <typename Gpu>
bool same_hostile(Random& random, const DevicePools& pools, Gpu& gpu, std::size_t run, const DeviceCase& c) {
  auto encoded = expected_encode(c.codec, as_type(pools.draw(random, random.below(kHostileFrom), c.count), lhFloat32), lhFloat32, c.rotation, {});
  if (!encoded) encoded = expected_encode(c.codec, std::vector<std::byte>(4 * c.count), lhFloat32, c.rotation, {});
  std::vector<std::byte>& blob = encoded->blob;
  const std::size_t size = blob.size();
  const std::uint64_t changes = run % 3 == 0 ? 4 * size : random.below(8);  // all bytes, or a few
  for (std::uint64_t i = 0; i < changes && size > 0; ++i) {
    const std::size_t at = run % 3 == 0 ? i % size : random.chance(0.5) ? random.below(std::min<std::size_t>(size, 180)) : random.below(size);
    const std::byte kept = std::exchange(blob[at], static_cast<std::byte>(random.next()));
    if (c.codec.blob_bytes(blob, c.count) != size) blob[at] = kept;  // a header that is refused tests nothing
  }
  const std::vector<SiteBlob> sites(1 + random.below(2), SiteBlob{blob, false});
  return gpu.combine(c, sites, 1) == expected_combine(c.codec, sites, c.count, c.rotation, 1, c.type);
}

/// Blocks at the ends of what codecs carry, and lossless blobs around the size at which they are not coded any more: how many of
/// them come out otherwise than by the specification.
template <typename Gpu>
int wrong_at_limits(Gpu& gpu) {
  int wrong = 0;
  for (const codec::Codec& codec : codec::all()) {
    for (const std::uint32_t bits : {0x08800000u, 0x087fffffu, 0x08800001u, 0x76800000u, 0x767fffffu, 0x7f7fffffu, 0x7f7f8000u, 0x7f7f7fffu}) {
      std::vector<float> values(1100, 0.0f);
      values[1030] = std::bit_cast<float>(bits);
      values[7] = std::bit_cast<float>(bits | 0x80000000u);
      wrong += same_encode(gpu, DeviceCase{codec, lhFloat32, values.size(), as_type(values, lhFloat32), {1, 2, 3}, {}}) ? 0 : 1;
    }
  }
  const codec::Codec& lossless = *codec::find(lhCodecLossless);
  for (const std::uint32_t low : {0x1u, 0x8000u}) {  // one value that is not a bf16
    std::vector<float> values(700, 1.0f);
    values[300] = std::bit_cast<float>(0x3f800000u | low);
    wrong += same_encode(gpu, DeviceCase{lossless, lhFloat32, values.size(), as_type(values, lhFloat32), {}, {}}) ? 0 : 1;
  }
  Random random(42);
  for (std::size_t count = 400; count < 440; ++count) {
    std::vector<float> values = samples(random, 0, count);
    for (std::size_t i = 0; i < count; ++i) {  // ever more exponents that nothing foretells
      values[i] = std::bit_cast<float>(static_cast<std::uint32_t>(random.next()));
      if (i < 40) continue;
      wrong += same_encode(gpu, DeviceCase{lossless, lhFloat32, count, as_type(values, lhFloat32), {}, {}}) ? 0 : 1;
    }
  }
  return wrong;
}

/// Counts around the blocks of all codecs.
constexpr std::size_t kDeviceCounts[] = {0,   1,   2,   7,   8,   9,   15,  16,   17,   31,   32,   33,   63,   64,   127,  128,
                                         129, 255, 256, 257, 511, 513, 767, 1023, 1024, 1025, 2047, 2048, 2049, 4095, 10003};

/// Values of a block, and how many such blocks a run tests: a million together.
struct DeviceShare {
  lhCodec_t codec;
  std::size_t block, blocks;
};
constexpr DeviceShare kDeviceShares[] = {{lhCodecBf16, 16, 250000}, {lhCodecI8, 128, 200000}, {lhCodecF4, 16, 380000},
                                         {lhCodecR4, 256, 50000},   {lhCodecR2, 1024, 8000},  {lhCodecLossless, 32, 120000}};

inline const DeviceShare& share_of(lhCodec_t codec) {
  return *std::find_if(std::begin(kDeviceShares), std::end(kDeviceShares), [&](const DeviceShare& share) { return share.codec == codec; });
}

/// How many of so many random blocks of a codec come out otherwise than by the specification; `*blocks` counts them all.
template <typename Gpu>
int wrong_of_many(Gpu& gpu, const DevicePools& pools, const codec::Codec& codec, std::size_t* blocks) {
  const DeviceShare& share = share_of(codec.id);
  Random random(43);
  int wrong = 0;
  std::size_t tested = 0;
  for (std::uint64_t run = 0; tested < share.blocks; ++run) {
    const std::uint64_t kind = run % kKinds;
    const std::size_t some = 1 + random.below(8192 / share.block + 3);
    const DeviceCase c = drawn(random, pools, codec, kind, some * share.block - (random.chance(0.5) ? 0 : random.below(share.block)));
    wrong += same_encode(gpu, c) && same_combine(random, pools, gpu, c, kind) ? 0 : 1;
    tested += some;
  }
  *blocks += tested;
  return wrong;
}

}  // namespace longhaul::test
