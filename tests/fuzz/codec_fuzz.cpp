// SPDX-License-Identifier: Apache-2.0
// Any bytes into every codec: as a blob (an error or values), and as values (both forms give the same blob, which decodes).
#include <cstring>
#include <vector>

#include "codec/codec.h"

using namespace longhaul;

namespace {

void require(bool condition) {
  if (!condition) __builtin_trap();
}

void decode_both(const codec::Codec& codec, ConstBytes blob, std::size_t count) {
  if (codec.blob_bytes(blob, count) == codec::kNone) return;
  const ConstBytes own = blob.first(codec.blob_bytes(blob, count));
  const std::vector<std::byte> exact(own.begin(), own.end());  // a sanitizer sees any read beyond
  std::vector<float> sum(codec.accumulator_values(count), 1.0f), expected = sum;
  require(codec.decode_add(exact, count, false, sum.data()));
  codec.finish(sum.data(), count, {});
  if (count) codec.kernels->reference->decode_add(exact.data(), count, false, expected.data());
  if (codec.rotates()) codec.kernels->reference->finish(expected.data(), count, {});
  require(count == 0 || std::memcmp(sum.data(), expected.data(), 4 * sum.size()) == 0);
}

void encode_both(const codec::Codec& codec, const std::vector<float>& values) {
  std::vector<std::byte> blob(codec.most_bytes(values.size())), expected = blob;
  const std::size_t size = codec.encode(values.data(), values.size(), {}, blob.data());
  require(size == codec.kernels->reference->encode(values.data(), values.size(), {}, expected.data()));
  if (size == codec::kNone || values.empty()) return;
  require(std::memcmp(blob.data(), expected.data(), size) == 0);
  decode_both(codec, std::span(blob).first(size), values.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const codec::Codec& codec = codec::all()[data[0] % codec::all().size()];
  const std::size_t count = data[1] + 256u * (data[2] % 16u);
  const ConstBytes bytes(reinterpret_cast<const std::byte*>(data) + 3, size - 3);
  decode_both(codec, bytes, count);
  std::vector<float> values(bytes.size() / 4);
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), 4 * values.size());
  encode_both(codec, values);
  return 0;
}
