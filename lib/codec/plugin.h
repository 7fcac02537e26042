// SPDX-License-Identifier: Apache-2.0
// Plug-ins: codecs that the caller brings (lhCommRegisterCodec). The library trusts none: it gives them memory of its own between
// guard bytes, looks at what they did, and copies what they made.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "codec/codec.h"

namespace longhaul::codec {

/// Numbers of plug-ins as codecs.
constexpr int kFirstPlugin = 64;
constexpr int kMostPlugins = 64;

/// Memory between guard bytes.
class GuardedRoom {
 public:
  /// So many bytes, of unspecified content, aligned to 64.
  std::byte* prepare(std::size_t bytes);
  /// Nobody wrote beyond them.
  bool intact() const;

 private:
  std::vector<std::byte> memory_;
  std::size_t begin_ = 0, bytes_ = 0;
};

class Plugin final : public Foreign {
 public:
  /// lhInvalidArgument where what it declares cannot be.
  static Result<std::unique_ptr<Plugin>> make(const lhCodecPlugin_t* description, lhCodec_t id);
  explicit Plugin(const lhCodecPlugin_t& description, lhCodec_t id);

  const Codec& codec() const { return codec_; }
  const std::string& name() const { return name_; }
  /// Of name, format and bounds; not 0.
  std::uint32_t digest() const;

  // One thread at a time.
  std::size_t most_bytes(std::size_t count) const override;
  std::size_t blob_bytes(ConstBytes bytes, std::size_t count) const override;
  std::size_t encode(const float* in, std::size_t count, const Rotation& rotation, std::byte* out) override;
  bool decode_add(ConstBytes blob, std::size_t count, bool first, float* sum) override;
  const Status& trouble() const override { return trouble_; }

 private:
  /// Most bytes of a blob as the plug-in declares them.
  std::size_t declared(std::size_t count) const;
  std::size_t broken(Status status);

  lhCodecPlugin_t description_;
  std::string name_;
  Codec codec_;
  GuardedRoom room_;
  Status trouble_;
};

/// The plug-ins of one communicator. Any thread.
class Plugins {
 public:
  Result<lhCodec_t> add(const lhCodecPlugin_t* description);
  /// Null where the number is none of a plug-in.
  Plugin* find(lhCodec_t id) const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Plugin>> plugins_;
};

}  // namespace longhaul::codec
