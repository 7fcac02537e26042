// SPDX-License-Identifier: Apache-2.0
// What one kernel does, as the program of a block of threads: most are sweeps (sweep.h), in which every warp goes its own way. A block B
// offers (on a GPU block_device.cuh, in tests tests/support/block_host.h):
//
//   B::Warp, B::Warps<T>   a warp (warp.h); one T a warp, [own] inside each_warp()
//   each_warp(step)        step(warp, own, place): of every warp; `own` is its number in the block, `place` in the launch
//   meet()                 what warps did before, all warps of the block see
//   room()                 kMostSources * kReadTile floats that all warps of the block share
#pragma once

#include "kernels/cuda/sweep.h"

namespace longhaul::kernels::gpu {

constexpr unsigned kThreads = 256;

// A program also tells the threads of its largest block, whether any number of warps does (kSweeps), and how many blocks a multiprocessor
// is to hold at least (kBlocks).

template <typename C, typename T, bool kFeedback>
struct Encodes {
  using Job = EncodeJob;
  static constexpr unsigned kMostThreads = kThreads;
  static constexpr bool kSweeps = true;
  static constexpr int kBlocks = C::kBlocks;
  template <typename B>
  static LH_WARP void run(const B& block, const Job& job) {
    if (!is_wanted(job)) return;
    block.each_warp([&](const typename B::Warp& warp, Bits32, Place place) {
      if (job.bytes && place.warp == 0) {
        warp.each([&](Bits32 lane) {
          if (lane == 0) *job.bytes = job.size;
        });
      }
      C::template encode<typename B::Warp, T, kFeedback>(warp, job, place);
    });
  }
};

template <typename C, typename T>
struct Combines {
  using Job = CombineJob;
  static constexpr unsigned kMostThreads = kThreads;
  static constexpr bool kSweeps = true;
  static constexpr int kBlocks = C::kBlocks;
  template <typename B>
  static LH_WARP void run(const B& block, const Job& job) {
    block.each_warp([&](const typename B::Warp& warp, Bits32, Place place) { C::template combine<typename B::Warp, T>(warp, job, place); });
  }
};

/// An encoding's further sweeps: Own::step() by every warp.
template <typename Own>
struct Sweeps {
  using Job = EncodeJob;
  static constexpr unsigned kMostThreads = kThreads;
  static constexpr bool kSweeps = true;
  static constexpr int kBlocks = 1;
  template <typename B>
  static LH_WARP void run(const B& block, const Job& job) {
    if (!is_wanted(job)) return;
    block.each_warp([&](const typename B::Warp& warp, Bits32, Place place) { Own::step(warp, job, place); });
  }
};

template <typename T, bool kFeedback>
struct FindsLargest : Sweeps<FindsLargest<T, kFeedback>> {
  template <typename W>
  static LH_WARP void step(const W& warp, const EncodeJob& job, Place place) {
    find_largest<W, T, kFeedback>(warp, job, place);
  }
};

template <typename T>
struct Surveys : Sweeps<Surveys<T>> {
  template <typename W>
  static LH_WARP void step(const W& warp, const EncodeJob& job, Place place) {
    survey_all<W, T>(warp, job, place);
  }
};

/// Launched with one warp.
template <typename T>
struct CodesExponents : Sweeps<CodesExponents<T>> {
  static constexpr unsigned kMostThreads = kLanes;
  static constexpr bool kSweeps = false;
  template <typename W>
  static LH_WARP void step(const W& warp, const EncodeJob& job, Place) {
    lossless_code<W, T>(warp, job);
  }
};

template <typename T>
struct WritesRest : Sweeps<WritesRest<T>> {
  template <typename W>
  static LH_WARP void step(const W& warp, const EncodeJob& job, Place place) {
    write_rest<W, T>(warp, job, place);
  }
};

/// Launched with one block, and a warp for each site.
template <typename T>
struct CombinesLossless {
  using Job = CombineJob;
  static constexpr unsigned kMostThreads = kMostSources * kLanes;
  static constexpr bool kSweeps = false;
  static constexpr int kBlocks = 1;
  template <typename B>
  static LH_WARP void run(const B& block, const Job& job) {
    using W = typename B::Warp;
    if (job.count == 0) return;
    float* const values = block.room();
    typename B::template Warps<LosslessReader<W>> readers;
    block.each_warp([&](const W& warp, Bits32 own, Place) { readers[own].open(warp, job.sources[own], job.count); });
    for (Bits64 tile = 0; tile * kReadTile < job.count; ++tile) {
      block.each_warp([&](const W& warp, Bits32 own, Place) { readers[own].read(warp, tile, values + own * kReadTile); });
      block.meet();
      block.each_warp([&](const W& warp, Bits32 own, Place) { add_tile<W, T>(warp, job, tile, values, own, static_cast<Bits32>(job.sites)); });
      block.meet();
    }
  }
};

}  // namespace longhaul::kernels::gpu
