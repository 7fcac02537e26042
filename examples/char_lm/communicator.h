// SPDX-License-Identifier: Apache-2.0
// What the trainer needs of a communicator. One implementation calls Longhaul (longhaul_communicator.h); tests use a
// fake of one rank. Every call throws Failure when the job cannot go on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace char_lm {

class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What crosses the WAN; "Fed": with error feedback.
enum class Codec { None, Bf16, I8, R4, F4, R2, Lossless, R4Fed, F4Fed, R2Fed };

struct CodecRow {
  Codec codec;
  const char* name;
  double bits;  ///< that the codec needs for one fp32 value; of lossless about
};
constexpr CodecRow kCodecs[] = {
    {Codec::None, "none", 32},     {Codec::Bf16, "bf16", 16},       {Codec::I8, "i8", 8.125},       {Codec::R4, "r4", 4.0625},     {Codec::F4, "f4", 4.5},
    {Codec::R2, "r2", 2.015625},   {Codec::Lossless, "lossless", 27}, {Codec::R4Fed, "r4+ef", 4.0625}, {Codec::F4Fed, "f4+ef", 4.5}, {Codec::R2Fed, "r2+ef", 2.015625},
};

inline const char* name_of(Codec codec) { return kCodecs[static_cast<std::size_t>(codec)].name; }
inline double bits_of(Codec codec) { return kCodecs[static_cast<std::size_t>(codec)].bits; }

/// This rank's WAN traffic so far.
struct Traffic {
  std::uint64_t payload = 0;  ///< bytes before the codec
  std::uint64_t wire = 0;     ///< bytes sent: frames, acknowledgements and resent frames included
};

struct Place {
  int rank = 0;
  int ranks = 1;
  int site = 0;
  int site_rank = 0;
};

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual Place place() const = 0;

  /// Starts to average `send` over all ranks into `recv`; both stay untouched by the caller until wait_all().
  virtual void start_average(const float* send, float* recv, std::size_t count, Codec codec, std::uint64_t tag) = 0;
  /// Starts an exact sum in place.
  virtual void start_sum(float* values, std::size_t count) = 0;
  virtual void wait_all() = 0;

  /// all[rank] = that rank's `bytes` bytes.
  virtual void all_gather(const void* mine, void* all, std::size_t bytes) = 0;
  virtual void barrier() = 0;
  /// Error feedback begins anew.
  virtual void forget_feedback() {}
  virtual Traffic traffic() = 0;
};

/// One value of every rank, in rank order.
template <typename T>
std::vector<T> gather(Communicator& communicator, const T& mine) {
  std::vector<T> all(static_cast<std::size_t>(communicator.place().ranks));
  communicator.all_gather(&mine, all.data(), sizeof(T));
  return all;
}

}  // namespace char_lm
