// SPDX-License-Identifier: Apache-2.0
// Any bytes as frame, announcement, failure notice: decoders are total, and what they accept they encode again to the same bytes.
#include <cstdint>
#include <cstdlib>

#include "wire/announcement.h"
#include "wire/frame.h"

using namespace longhaul;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ConstBytes bytes(reinterpret_cast<const std::byte*>(data), size);
  const std::size_t cut = size < wire::kFrameHeaderBytes + 16 ? size : wire::kFrameHeaderBytes + 16;
  if (const auto decoded = wire::decode_frame(bytes.first(cut), bytes.subspan(cut))) {
    wire::EncodedHeader again;
    wire::encode_frame(decoded->frame, decoded->inline_payload, bytes.subspan(cut), &again);
    if (again.size != cut) std::abort();
  }
  (void)wire::decode_announcement(bytes);
  if (const auto notice = wire::decode_failure(bytes)) {
    if (notice->text.size() > wire::kMaxFailureText) std::abort();
  }
  return 0;
}
