// SPDX-License-Identifier: Apache-2.0
// A word: 32 bits of pinned memory by which host and streams wait for each other. It counts up; a stream that waits for n goes on
// at n or more (modulo 2^32, as the GPU compares). Poison is far above everything anybody waits for: it lets all of them go on.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace longhaul::device {

constexpr std::uint32_t kPoison = 0x4000'0000;
/// Words that different sides write lie this far apart.
constexpr std::size_t kWordSpacing = 128;

/// Before a word is used for the first time.
inline void reset_word(std::uint32_t* word) { std::atomic_ref(*word).store(0, std::memory_order_relaxed); }
inline std::uint32_t read_word(std::uint32_t* word) { return std::atomic_ref(*word).load(std::memory_order_acquire); }
inline void write_word(std::uint32_t* word, std::uint32_t value) { std::atomic_ref(*word).store(value, std::memory_order_release); }
inline bool has_reached(std::uint32_t* word, std::uint32_t value) { return static_cast<std::int32_t>(read_word(word) - value) >= 0; }

}  // namespace longhaul::device
