// SPDX-License-Identifier: Apache-2.0
// Codec lossless on a GPU, decoding: a warp a site, whose lanes are the 32 states of the format. Warps decode the same tile of 256
// values into shared memory, meet, and add up. Format: docs/codecs.md; how such code is written: kernels/cuda/warp.h.
#pragma once

#include "kernels/codecs/lossless/lossless.h"
#include "kernels/codecs/lossless/warp_table.h"
#include "kernels/cuda/octets.h"

namespace longhaul::kernels::gpu {

constexpr Bits32 kReadRows = 8;
constexpr Bits64 kReadTile = kReadRows * kLanes;

/// One site's blob, read from the first value to the last.
template <typename W>
class LosslessReader {
 public:
  template <typename T>
  using Lanes = typename W::template Lanes<T>;

  LH_WARP void open(const W& warp, const Source& source, Bits64 count) {
    blob_ = source.blob;
    count_ = count;
    word_ = escape_ = 0;
    kind_ = Kind::kBf16;
    if (source.fell_back) return;
    const Quad header = W::template load<Quad>(blob_);
    width_ = header[0] >> 8 & 0xff;
    kind_ = (header[0] & 0xff) == 0 ? Kind::kRaw : Kind::kCoded;
    if (kind_ == Kind::kRaw) return;
    base_ = header[0] >> 16 & 0xff;
    escapes_ = header[1];
    words_ = header[2];
    at_ = lossless_layout(count, width_, escapes_, words_);
    Bits32 start = 0;
    LH_UNROLL
    for (Bits32 s = 0; s < kLosslessSymbols; ++s) {
      const Bits32 frequency = W::template load<Bits16>(blob_ + kLosslessFrequenciesAt + 2 * s);
      warp.each([&](Bits32 lane) {
        if (lane == s) table_[lane] = frequency << 16 | start;
      });
      start += frequency;
      ends_[s] = start;
    }
    warp.each([&](Bits32 lane) { state_[lane] = W::template load<Bits32>(blob_ + kLosslessStatesAt + 4 * lane); });
  }

  /// The tile that follows the one before, to out[row * 32 + lane].
  LH_WARP void read(const W& warp, Bits64 tile, float* out) {
    if (kind_ != Kind::kCoded) return read_plain(warp, tile, out);
    Lanes<Values<Bits32, kReadRows>> rest;  // what is not coded: read ahead, since coded words must be waited for one by one
    warp.each([&](Bits32 lane) {
      LH_UNROLL
      for (Bits32 row = 0; row < kReadRows; ++row) {
        const Bits64 i = tile * kReadTile + row * kLanes + lane;
        rest[lane][row] = 0;
        if (i >= count_) continue;
        const Bits32 low = width_ == 4 ? W::template load<Bits16>(blob_ + at_.lows + 2 * i) : Bits16{0};
        rest[lane][row] = lossless_join(W::template load<Bits8>(blob_ + at_.tops + i), 0, low);
      }
    });
    LH_UNROLL
    for (Bits32 row = 0; row < kReadRows; ++row) {
      Lanes<Bits32> exponent;
      pop(warp, tile * kReadTile + row * kLanes, exponent);
      warp.each([&](Bits32 lane) { W::template store<float>(out + row * kLanes + lane, float_of(rest[lane][row] | exponent[lane] << 23)); });
    }
  }

 private:
  enum class Kind : Bits8 { kBf16, kRaw, kCoded };

  LH_WARP void read_plain(const W& warp, Bits64 tile, float* out) const {
    warp.each([&](Bits32 lane) {
      LH_UNROLL
      for (Bits32 row = 0; row < kReadRows; ++row) {
        const Bits64 i = tile * kReadTile + row * kLanes + lane;
        if (i >= count_) continue;
        float value;
        if (kind_ == Kind::kBf16)
          value = bf16_to_float(W::template load<Bits16>(blob_ + 2 * i));
        else if (width_ == 2)
          value = float_of(static_cast<Bits32>(W::template load<Bits16>(blob_ + 16 + 2 * i)) << 16);
        else
          value = float_of(W::template load<Bits32>(blob_ + 16 + 4 * i));
        W::template store<float>(out + row * kLanes + lane, value);
      }
    });
  }

  /// Exponents of the row that begins with value `begin`. Words and escapes that the blob does not have are 0.
  LH_WARP void pop(const W& warp, Bits64 begin, Lanes<Bits32>& exponent) {
    Lanes<Bits32> symbol;
    Lanes<bool> thirsty, escaped;
    warp.each([&](Bits32 lane) {
      const Bits32 slot = state_[lane] % (1u << kLosslessBits);
      symbol[lane] = 0;
      LH_UNROLL
      for (Bits32 s = 0; s + 1 < kLosslessSymbols; ++s) symbol[lane] += ends_[s] <= slot ? 1u : 0u;
    });
    const auto entry = warp.at(table_, symbol);
    warp.each([&](Bits32 lane) {
      const bool here = begin + lane < count_;
      if (here) state_[lane] = lossless_pop(state_[lane], frequency_of(entry[lane]), start_of(entry[lane]));
      thirsty[lane] = here && state_[lane] < kLosslessLow;
      escaped[lane] = here && symbol[lane] == kLosslessEscape;
    });
    const Bits32 thirsties = warp.ballot(thirsty), escapes = warp.ballot(escaped);
    warp.each([&](Bits32 lane) {
      const Bits32 before = (1u << lane) - 1;
      const Bits64 word = word_ + ones(thirsties & before), escape = escape_ + ones(escapes & before);
      if (thirsty[lane]) state_[lane] = state_[lane] << 16 | (word < words_ ? W::template load<Bits16>(blob_ + at_.words + 2 * word) : Bits16{0});
      exponent[lane] = lossless_exponent(static_cast<int>(symbol[lane]), base_);
      if (escaped[lane]) exponent[lane] = escape < escapes_ ? W::template load<Bits8>(blob_ + at_.escapes + escape) : Bits8{0};
    });
    word_ += ones(thirsties);
    escape_ += ones(escapes);
  }

  const Bits8* blob_;
  Bits64 count_, word_, escape_;
  Bits32 width_, base_, escapes_, words_;
  Kind kind_;
  LosslessLayout at_;
  Values<Bits32, kLosslessSymbols> ends_;  // of the symbols' slots
  Lanes<Bits32> state_, table_;
};

/// Sums what the warps of a block have read of a tile (256 values a site): warp `place.warp` does some of the rows.
template <typename W, typename T>
LH_WARP void add_tile(const W& warp, const CombineJob& job, Bits64 tile, const float* values, Bits32 own, Bits32 warps) {
  warp.each([&](Bits32 lane) {
    using Stored = typename T::Stored;
    for (Bits32 row = own; row < kReadRows; row += warps) {
      const Bits64 i = tile * kReadTile + row * kLanes + lane;
      if (i >= job.count) continue;
      float sum = 0;
      for (int site = 0; site < job.sites; ++site)
        sum = added(site == 0, sum, W::template load<float>(values + static_cast<Bits64>(site) * kReadTile + row * kLanes + lane));
      W::template store<Stored>(static_cast<Stored*>(job.result) + i, T::narrowed(divided(sum, job.divisor)));
    }
  });
}

}  // namespace longhaul::kernels::gpu
