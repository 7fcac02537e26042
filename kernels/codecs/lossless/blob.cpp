// SPDX-License-Identifier: Apache-2.0
// Which bytes are a blob of codec lossless? What passes here decodes to values, whatever its other bytes are.
#include "kernels/codecs/lossless/lossless.h"
#include "kernels/memory.h"

namespace longhaul::kernels {

std::size_t lossless_blob(std::span<const std::byte> bytes, std::size_t count) {
  if (count == 0) return 0;
  if (count > kMostValues || bytes.size() < sizeof(LosslessHeader)) return kNone;
  const auto header = load<LosslessHeader>(bytes.data(), 0);
  if (header.coded > 1 || (header.width != 2 && header.width != 4)) return kNone;
  if (header.coded && (header.base < 1 || header.base > kLosslessHighestBase)) return kNone;
  const std::size_t size =
      header.coded ? lossless_layout(count, header.width, header.escapes, header.words).end : lossless_raw_bytes(count, header.width);
  if (bytes.size() < size) return kNone;
  Bits32 sum = 0;
  for (std::size_t s = 0; header.coded && s < kLosslessSymbols; ++s) {
    const Bits32 frequency = load<Bits16>(bytes.data() + kLosslessFrequenciesAt, s);
    if (frequency == 0) return kNone;
    sum += frequency;
  }
  if (header.coded && sum != 1u << kLosslessBits) return kNone;
  for (std::size_t i = 0; header.coded && i < kLosslessStates; ++i)
    if (load<Bits32>(bytes.data() + kLosslessStatesAt, i) >> 31 != 0) return kNone;
  return size;
}

}  // namespace longhaul::kernels
