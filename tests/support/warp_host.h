// SPDX-License-Identifier: Apache-2.0
// A warp on the CPU: what kernels/cuda/warp.h asks for, with lanes as a loop. The source of the CUDA kernels runs on it in the unit
// tests, under sanitizers, too. It is stricter than a GPU: lanes run in one of two orders, so that a step which looks at another
// lane's memory gives other bytes; unaligned accesses and values that should be uniform and are not end the test.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>

#include "kernels/cuda/warp.h"

namespace longhaul::test {

using kernels::Bits32;
using kernels::gpu::kLanes;

class HostWarp {
 public:
  template <typename T>
  struct Lanes {
    T of[kLanes];
    T& operator[](Bits32 lane) { return of[lane]; }
    const T& operator[](Bits32 lane) const { return of[lane]; }
  };

  explicit HostWarp(bool backwards) : backwards_(backwards) {}

  template <typename Step>
  void each(const Step& step) const {
    for (Bits32 i = 0; i < kLanes; ++i) step(backwards_ ? kLanes - 1 - i : i);
  }
  template <typename T>
  Lanes<T> exchanged(const Lanes<T>& lanes, Bits32 mask) const {
    Lanes<T> other;
    for (Bits32 i = 0; i < kLanes; ++i) other[i] = lanes[i ^ mask];
    return other;
  }
  template <typename T>
  T uniform(const Lanes<T>& lanes) const {
    for (Bits32 i = 1; i < kLanes; ++i)
      if (std::memcmp(&lanes[i], &lanes[0], sizeof(T)) != 0) throw std::logic_error("lanes differ in a value that should be uniform");
    return lanes[0];
  }
  Bits32 max(const Lanes<Bits32>& lanes) const {
    Bits32 largest = 0;
    for (const Bits32 value : lanes.of) largest = kernels::gpu::larger(largest, value);
    return largest;
  }
  Bits32 ballot(const Lanes<bool>& lanes) const {
    Bits32 bits = 0;
    for (Bits32 i = 0; i < kLanes; ++i) bits |= (lanes[i] ? 1u : 0u) << i;
    return bits;
  }
  template <typename T>
  Lanes<T> at(const Lanes<T>& lanes, const Lanes<Bits32>& index) const {
    Lanes<T> found;
    for (Bits32 i = 0; i < kLanes; ++i) found[i] = lanes[index[i] % kLanes];
    return found;
  }
  void meet() const {}

  template <typename T>
  static T load(const void* from) {
    check<T>(from);
    T value;
    std::memcpy(&value, from, sizeof(T));
    return value;
  }
  template <typename T>
  static void store(void* to, const T& value) {
    check<T>(to);
    std::memcpy(to, &value, sizeof(T));
  }
  static void raise(Bits32* to, Bits32 value) { *to = kernels::gpu::larger(*to, value); }
  static void add(Bits32* to, Bits32 value) { *to += value; }
  static void merge(Bits32* to, Bits32 value) { *to |= value; }

 private:
  template <typename T>
  static void check(const void* address) {
    if (reinterpret_cast<std::uintptr_t>(address) % sizeof(T) != 0) throw std::logic_error("a GPU would fault here: unaligned access");
  }

  bool backwards_;
};

}  // namespace longhaul::test
