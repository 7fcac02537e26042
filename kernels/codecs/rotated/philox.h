// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011): random bits as a pure function of counter and key, the same on every machine.
#pragma once

#include "kernels/shared.h"

namespace longhaul::kernels {

struct Philox {
  Bits32 words[4];
};

LH_SHARED Philox philox(Philox counter, Bits32 key0, Bits32 key1) {
  for (int round = 0; round < 10; ++round) {
    const Bits64 a = Bits64{0xd2511f53u} * counter.words[0], b = Bits64{0xcd9e8d57u} * counter.words[2];
    const Bits32 x = static_cast<Bits32>(b >> 32) ^ counter.words[1] ^ key0, y = static_cast<Bits32>(a >> 32) ^ counter.words[3] ^ key1;
    counter = {{x, static_cast<Bits32>(b), y, static_cast<Bits32>(a)}};
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  return counter;
}

}  // namespace longhaul::kernels
