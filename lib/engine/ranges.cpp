// SPDX-License-Identifier: Apache-2.0
#include "engine/ranges.h"

#ifdef LH_HAVE_NVTX
#define NVTX_AS_SYSTEM_HEADER
#include <nvtx3/nvToolsExt.h>

namespace longhaul::engine {
namespace {

/// Where no tool listens `domain` is null. Names are registered once, so that a range costs no text.
struct Listener {
  nvtxDomainHandle_t domain = nvtxDomainCreateA("longhaul");
  std::array<nvtxStringHandle_t, kMarks> names{};

  Listener() {
    for (std::size_t i = 1; domain && i < kMarks; ++i)
      names[i] = nvtxDomainRegisterStringA(domain, stage_ending_with(static_cast<Mark>(i)));
  }
};

const Listener& listener() {
  static const Listener instance;
  return instance;
}

}  // namespace

bool ranges_wanted() { return listener().domain != nullptr; }

void StageRange::enter(Mark mark, std::uint64_t chunk) {
  leave();
  nvtxEventAttributes_t range{};
  range.version = NVTX_VERSION;
  range.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  range.messageType = NVTX_MESSAGE_TYPE_REGISTERED;
  range.message.registered = listener().names[static_cast<std::size_t>(mark)];
  range.payloadType = NVTX_PAYLOAD_TYPE_UNSIGNED_INT64;
  range.payload.ullValue = chunk;
  id_ = nvtxDomainRangeStartEx(listener().domain, &range);
}

void StageRange::leave() {
  if (id_ != 0) nvtxDomainRangeEnd(listener().domain, std::exchange(id_, 0));
}

}  // namespace longhaul::engine

#else

namespace longhaul::engine {

bool ranges_wanted() { return false; }
void StageRange::enter(Mark, std::uint64_t) {}
void StageRange::leave() {}

}  // namespace longhaul::engine

#endif
