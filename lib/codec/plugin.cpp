// SPDX-License-Identifier: Apache-2.0
#include "codec/plugin.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/memory.h"
#include "kernels/shared.h"

namespace longhaul::codec {
namespace {

constexpr std::size_t kGuard = 4096;
constexpr std::byte kGuardByte{0xa7};
constexpr std::size_t kAlignment = 64;
constexpr std::size_t kSizeBytes = 16;  // in front of a plug-in's blob: its size u32, zeros
constexpr unsigned kMostHeader = 32, kMostBlock = 1024;
constexpr std::size_t kMostName = 31;

constexpr kernels::CodecForm kNoForm{nullptr, nullptr, nullptr};
constexpr kernels::CodecKernels kNoKernels{1, nullptr, nullptr, &kNoForm, &kNoForm};

/// Equal at all sites, as the rotation is (SplitMix64 of its parts).
std::uint64_t seed_of(const Rotation& rotation) {
  std::uint64_t seed = 0;
  for (const std::uint64_t part : {rotation.key, rotation.operation, std::uint64_t{rotation.chunk}}) {
    seed += part + 0x9e3779b97f4a7c15u;
    seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9u;
    seed = (seed ^ seed >> 27) * 0x94d049bb133111ebu;
    seed ^= seed >> 31;
  }
  return seed;
}

bool all_finite(const float* in, std::size_t count) {
  kernels::Bits32 largest = 0;
  for (std::size_t i = 0; i < count; ++i) largest = std::max(largest, kernels::magnitude_of(kernels::load<float>(in, i)));
  return largest < kernels::kInfBits;
}

bool is_name(std::string_view name) {
  const auto fine = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; };
  return !name.empty() && name.size() <= kMostName && std::all_of(name.begin(), name.end(), fine);
}

}  // namespace

std::byte* GuardedRoom::prepare(std::size_t bytes) {
  const std::size_t needed = bytes + 2 * kGuard + kAlignment;
  if (memory_.size() < needed) memory_.resize(needed);
  const auto address = reinterpret_cast<std::uintptr_t>(memory_.data() + kGuard);
  begin_ = kGuard + (kAlignment - address % kAlignment) % kAlignment;
  bytes_ = bytes;
  std::fill_n(memory_.begin() + static_cast<std::ptrdiff_t>(begin_ - kGuard), kGuard, kGuardByte);
  std::fill_n(memory_.begin() + static_cast<std::ptrdiff_t>(begin_ + bytes), kGuard, kGuardByte);
  return memory_.data() + begin_;
}

bool GuardedRoom::intact() const {
  const auto untouched = [&](std::size_t from) {
    const std::byte* guard = memory_.data() + from;
    return guard[0] == kGuardByte && std::memcmp(guard, guard + 1, kGuard - 1) == 0;
  };
  return untouched(begin_ - kGuard) && untouched(begin_ + bytes_);
}

Result<std::unique_ptr<Plugin>> Plugin::make(const lhCodecPlugin_t* d, lhCodec_t id) {
  if (!d || d->magic != LH_CODEC_PLUGIN_MAGIC || d->size < sizeof(lhCodecPlugin_t))
    return error(lhInvalidArgument, "the plug-in is not initialised: start from LH_CODEC_PLUGIN_INITIALIZER");
  const std::string_view name = d->name ? d->name : "";
  if (!is_name(name)) return error(lhInvalidArgument, "a plug-in's name is 1 to {} of a-z 0-9 - _", kMostName);
  if (parse(name)) return error(lhInvalidArgument, "'{}' is the name of a codec of the library: choose another for the plug-in", name);
  if (!std::has_single_bit(d->blockValues) || d->blockValues > kMostBlock)
    return error(lhInvalidArgument, "plug-in '{}': blockValues is {}: a power of two from 1 to {}", name, d->blockValues, kMostBlock);
  if (d->blockBytes == 0 || d->blockBytes > 4 * d->blockValues)
    return error(lhInvalidArgument, "plug-in '{}': blockBytes is {}: 1 to 4 * blockValues = {}", name, d->blockBytes, 4 * d->blockValues);
  if (d->headerBytes > kMostHeader) return error(lhInvalidArgument, "plug-in '{}': headerBytes is {}: at most {}", name, d->headerBytes, kMostHeader);
  if (!d->encode || !d->decodeAdd) return error(lhInvalidArgument, "plug-in '{}': encode or decodeAdd is NULL", name);
  return std::make_unique<Plugin>(*d, id);
}

Plugin::Plugin(const lhCodecPlugin_t& description, lhCodec_t id)
    : description_(description), name_(description.name), codec_{id, name_, &kNoKernels, 1.0, this} {
  description_.name = nullptr;  // the caller's
}

std::uint32_t Plugin::digest() const {
  std::uint32_t hash = 0x811c9dc5u;  // FNV-1a
  const auto mix = [&](std::uint32_t byte) { hash = (hash ^ byte) * 0x01000193u; };
  for (const char c : name_) mix(static_cast<std::uint8_t>(c));
  for (const unsigned number : {0u, description_.format, description_.blockValues, description_.blockBytes, description_.headerBytes})
    for (int shift = 0; shift < 32; shift += 8) mix(number >> shift & 0xff);
  return std::max(hash, 1u);
}

std::size_t Plugin::declared(std::size_t count) const {
  return description_.headerBytes + kernels::blocks_of(count, description_.blockValues) * description_.blockBytes;
}

std::size_t Plugin::most_bytes(std::size_t count) const {
  return count > kernels::kMostValues ? kNone : count == 0 ? 0 : kSizeBytes + kernels::padded_to_16(declared(count));
}

std::size_t Plugin::blob_bytes(ConstBytes bytes, std::size_t count) const {
  if (count == 0) return 0;
  if (count > kernels::kMostValues || bytes.size() < kSizeBytes) return kNone;
  const std::size_t size = ByteReader(bytes).u32();
  const std::size_t all = kSizeBytes + kernels::padded_to_16(size);
  return size <= declared(count) && all <= bytes.size() ? all : kNone;
}

std::size_t Plugin::broken(Status status) {
  trouble_ = std::move(status);
  return kBroken;
}

std::size_t Plugin::encode(const float* in, std::size_t count, const Rotation& rotation, std::byte* out) {
  if (count == 0) return 0;
  if (!all_finite(in, count)) return kNone;
  const std::size_t room = declared(count);
  std::byte* blob = room_.prepare(room);
  std::size_t size = 0;
  const lhResult_t result = description_.encode(description_.context, in, count, seed_of(rotation), blob, room, &size);
  if (!room_.intact())
    return broken(error(lhInternalError, "codec plug-in '{}' wrote beyond the {} bytes that it declared for {} values", name_, room, count));
  if (result == lhUnsupported) return kNone;
  if (result != lhSuccess) return broken(error(lhInternalError, "codec plug-in '{}' cannot encode: {}", name_, lhGetErrorString(result)));
  if (size > room)
    return broken(error(lhInternalError, "codec plug-in '{}' says {} bytes for {} values, and declared at most {}", name_, size, count, room));
  const std::size_t all = kSizeBytes + kernels::padded_to_16(size);
  std::memset(out, 0, kSizeBytes);
  ByteWriter(Bytes(out, kSizeBytes)).u32(static_cast<std::uint32_t>(size));
  if (size > 0) std::memcpy(out + kSizeBytes, blob, size);
  std::memset(out + kSizeBytes + size, 0, all - kSizeBytes - size);
  return all;
}

bool Plugin::decode_add(ConstBytes blob, std::size_t count, bool first, float* sum) {
  if (count == 0) return true;
  const std::size_t size = ByteReader(blob).u32();
  auto* own = reinterpret_cast<float*>(room_.prepare(count * sizeof(float)));
  if (first)
    std::fill_n(own, count, 0.0F);
  else
    std::memcpy(own, sum, count * sizeof(float));
  const lhResult_t result = description_.decodeAdd(description_.context, blob.data() + kSizeBytes, size, count, own);
  if (!room_.intact()) return broken(error(lhInternalError, "codec plug-in '{}' wrote beyond the {} values that it was to add", name_, count)), false;
  if (result != lhSuccess)
    return broken(error(lhDataCorrupt, "codec plug-in '{}' cannot decode a blob of {} bytes: {}", name_, size, lhGetErrorString(result))), false;
  for (std::size_t i = 0; i < count; ++i) kernels::store<float>(sum, i, kernels::canonical(own[i]));
  return true;
}

Result<lhCodec_t> Plugins::add(const lhCodecPlugin_t* description) {
  const std::lock_guard lock(mutex_);
  if (plugins_.size() == static_cast<std::size_t>(kMostPlugins))
    return error(lhInvalidArgument, "this communicator has {} plug-in codecs already, which is the most", kMostPlugins);
  const auto id = static_cast<lhCodec_t>(kFirstPlugin + static_cast<int>(plugins_.size()));
  auto plugin = Plugin::make(description, id);
  if (!plugin.ok()) return plugin.take_status();
  for (const auto& other : plugins_)
    if (other->name() == (*plugin)->name())
      return error(lhInvalidArgument, "plug-in '{}' is registered already, as codec {}", other->name(), static_cast<int>(other->codec().id));
  plugins_.push_back(std::move(*plugin));
  return id;
}

Plugin* Plugins::find(lhCodec_t id) const {
  const std::lock_guard lock(mutex_);
  const auto index = static_cast<std::size_t>(static_cast<int>(id) - kFirstPlugin);
  return index < plugins_.size() ? plugins_[index].get() : nullptr;
}

}  // namespace longhaul::codec
