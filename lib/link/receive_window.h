// SPDX-License-Identifier: Apache-2.0
// ReceiveWindow: which sequence numbers of one peer have arrived, and how much more the peer may send. Sans-IO, fixed memory.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace longhaul::link {

class ReceiveWindow {
 public:
  /// Remembers `frames` sequence numbers beyond the cumulative one; grants `bytes` of unconsumed frames.
  ReceiveWindow(std::size_t frames, std::uint64_t bytes) : arrived_(frames, false), bytes_(bytes) {}

  enum class Verdict { New, Duplicate, OutOfWindow };
  Verdict accept(std::uint64_t sequence) {
    if (sequence <= cumulative_) return Verdict::Duplicate;
    if (sequence > cumulative_ + arrived_.size()) return Verdict::OutOfWindow;
    if (slot(sequence)) return Verdict::Duplicate;
    slot(sequence) = true;
    if (sequence > highest_) highest_ = sequence;
    while (slot(cumulative_ + 1)) slot(++cumulative_) = false;
    return Verdict::New;
  }

  std::uint64_t cumulative() const { return cumulative_; }
  bool has_gaps() const { return highest_ > cumulative_; }

  /// Writes bits for cumulative + 1 ..., as many as fit and are needed; returns the bytes written.
  std::size_t write_bitmap(Bytes out) const {
    if (!has_gaps()) return 0;
    const std::size_t needed = static_cast<std::size_t>((highest_ - cumulative_ + 7) / 8);
    const std::size_t size = needed < out.size() ? needed : out.size();
    for (std::size_t i = 0; i < size; ++i) {
      unsigned bits = 0;
      for (unsigned b = 0; b < 8; ++b) bits |= static_cast<unsigned>(has(cumulative_ + 1 + i * 8 + b)) << b;
      out[i] = static_cast<std::byte>(bits);
    }
    return size;
  }

  void consumed(std::uint64_t cost) { consumed_ += cost; }
  std::uint64_t credit() const { return consumed_ + bytes_; }
  std::uint64_t bytes() const { return bytes_; }

  /// Once a round trip: a peer that used half of the window in it may soon be held up by it, so it doubles, up to `most`
  /// (the receiver's half of TCP's dynamic right-sizing, Fisk and Feng 2001).
  void end_round(std::uint64_t most) {
    const std::uint64_t used = consumed_ - round_began_;
    round_began_ = consumed_;
    if (used * 2 > bytes_ && bytes_ < most) bytes_ = bytes_ * 2 < most ? bytes_ * 2 : most;
  }

 private:
  std::vector<bool>::reference slot(std::uint64_t sequence) { return arrived_[sequence % arrived_.size()]; }
  bool has(std::uint64_t sequence) const {
    return sequence <= cumulative_ + arrived_.size() && arrived_[sequence % arrived_.size()];
  }

  std::vector<bool> arrived_;
  std::uint64_t bytes_;
  std::uint64_t cumulative_ = 0;
  std::uint64_t highest_ = 0;
  std::uint64_t consumed_ = 0;
  std::uint64_t round_began_ = 0;  // consumed_ when the present round did
};

}  // namespace longhaul::link
