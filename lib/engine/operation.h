// SPDX-License-Identifier: Apache-2.0
// Operation: one collective call in flight at this rank.
#pragma once

#include <optional>
#include <vector>

#include "engine/request.h"
#include "plan/plan.h"

namespace longhaul::engine {

struct Operation {
  Request* request = nullptr;
  std::uint64_t sequence = 0;   // of the call on this communicator, from 1
  std::uint64_t signature = 0;
  std::optional<plan::Plan> plan;
  const codec::Codec* codec = nullptr;     ///< of that id; null: values as they are
  std::uint32_t wire_codec = lhCodecNone;  ///< of contributions between sites: the call's codec, or codec::kFloatSums

  std::uint64_t first_chunk = 0;  // running number of its chunk 0 over all operations
  std::uint64_t chunks_started = 0;
  std::uint64_t chunks_done = 0;

  // Agreement: every rank of the site says how it was called; then this rank says so to its WAN peers, who thereby speak for
  // their sites. Nothing completes before all have spoken.
  int next_site_announcement = 0;
  std::size_t next_wan_announcement = 0;
  int site_heard = 0;
  std::size_t wan_heard = 0;
  std::vector<bool> heard;  // by global rank

  // Calls on device memory: the user's stream has come to it, and later goes on with it.
  std::optional<std::uint32_t> ticket;
  bool entered = true;

  TimeNs begun = 0;  ///< only where there is a trace
  bool finished = false;  // the request was completed
};

}  // namespace longhaul::engine
