// SPDX-License-Identifier: Apache-2.0
// The arguments of one collective call that all ranks must agree on. A pure value.
#pragma once

#include <longhaul/longhaul.h>

#include <cstdint>

namespace longhaul::plan {

/// Values are part of the wire format (Announcement::collective).
enum class Collective : std::uint8_t { AllReduce = 1, ReduceScatter = 2, AllGather = 3, Broadcast = 4, Barrier = 5, Finalize = 6 };

struct Call {
  Collective collective = Collective::AllReduce;
  lhDataType_t type = lhFloat32;
  lhRedOp_t op = lhSum;
  lhCodec_t codec = lhCodecNone;  ///< the codec that will really be used; lhCodecNone: exact
  lhScope_t scope = lhScopeGlobal;
  int root = 0;
  std::uint32_t plugin = 0;  ///< digest of what a plug-in codec declares; 0: one of the library's own
  std::uint64_t count = 0;   ///< as the caller gave it: per rank for ReduceScatter and AllGather
  std::uint64_t number = 0;  ///< of the call among those of the user, from 1: codecs that rotate draw from it. 0: the library's own

  bool operator==(const Call&) const = default;
  bool reduces() const { return collective != Collective::AllGather && collective != Collective::Broadcast; }
};

}  // namespace longhaul::plan
