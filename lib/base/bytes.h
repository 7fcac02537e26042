// SPDX-License-Identifier: Apache-2.0
// Explicit little-endian field access over spans: nothing on a wire is ever a C++ struct. Both classes are total: running
// past the end sets failed() and yields zeros; nothing throws or allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace longhaul {

using Bytes = std::span<std::byte>;
using ConstBytes = std::span<const std::byte>;

inline ConstBytes as_bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

class ByteWriter {
 public:
  explicit ByteWriter(Bytes out) : out_(out) {}

  void u8(std::uint8_t v) { put(v, 1); }
  void u16(std::uint16_t v) { put(v, 2); }
  void u32(std::uint32_t v) { put(v, 4); }
  void u64(std::uint64_t v) { put(v, 8); }
  void bytes(ConstBytes v) {
    if (!room(v.size())) return;
    if (!v.empty()) std::memcpy(out_.data() + used_, v.data(), v.size());
    used_ += v.size();
  }
  /// 16-bit length, then the text (cut at 65535 bytes).
  void text(std::string_view v) {
    v = v.substr(0, 0xffff);
    u16(static_cast<std::uint16_t>(v.size()));
    bytes(as_bytes_of(v));
  }

  std::size_t size() const { return used_; }
  bool failed() const { return failed_; }
  ConstBytes written() const { return out_.first(used_); }

 private:
  bool room(std::size_t n) {
    if (failed_ || out_.size() - used_ < n) failed_ = true;
    return !failed_;
  }
  void put(std::uint64_t v, std::size_t n) {
    if (!room(n)) return;
    for (std::size_t i = 0; i < n; ++i) out_[used_ + i] = static_cast<std::byte>(v >> (8 * i));
    used_ += n;
  }

  Bytes out_;
  std::size_t used_ = 0;
  bool failed_ = false;
};

class ByteReader {
 public:
  explicit ByteReader(ConstBytes in) : in_(in) {}

  std::uint8_t u8() { return static_cast<std::uint8_t>(get(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(get(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(get(4)); }
  std::uint64_t u64() { return get(8); }
  /// The next n bytes, or an empty span (and failed()) where there are fewer.
  ConstBytes bytes(std::size_t n) {
    if (!room(n)) return {};
    ConstBytes v = in_.subspan(used_, n);
    used_ += n;
    return v;
  }
  /// What ByteWriter::text wrote; a view into the input.
  std::string_view text() {
    ConstBytes v = bytes(u16());
    return {reinterpret_cast<const char*>(v.data()), v.size()};
  }
  ConstBytes rest() const { return in_.subspan(used_); }
  bool failed() const { return failed_; }
  /// Everything was read and nothing was missing.
  bool complete() const { return !failed_ && used_ == in_.size(); }

 private:
  bool room(std::size_t n) {
    if (failed_ || in_.size() - used_ < n) failed_ = true;
    return !failed_;
  }
  std::uint64_t get(std::size_t n) {
    if (!room(n)) return 0;
    std::uint64_t v = 0;
    for (std::size_t i = 0; i < n; ++i) v |= static_cast<std::uint64_t>(in_[used_ + i]) << (8 * i);
    used_ += n;
    return v;
  }

  ConstBytes in_;
  std::size_t used_ = 0;
  bool failed_ = false;
};

}  // namespace longhaul
