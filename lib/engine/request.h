// SPDX-License-Identifier: Apache-2.0
// Request: one call on its way from a user's thread to the engine and back. The user's side owns the memory; between submit
// and done it belongs to the engine.
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/status.h"
#include "codec/codec.h"
#include "engine/feedback.h"
#include "plan/call.h"

namespace longhaul::engine {

struct Request {
  plan::Call call;
  const std::byte* send = nullptr;
  std::byte* recv = nullptr;
  TimeNs deadline = kNever;
  const codec::Codec* plugin = nullptr;  ///< the codec of call.codec, where that is no codec of the table
  FeedbackState* feedback = nullptr;  ///< of a call with error feedback: Engine::use_feedback()
  std::optional<std::uint32_t> ticket;  ///< of device::Turnstile: the buffers are device memory; none: host memory
  void (*detached)(void* owner) = nullptr;  ///< nobody waits: called instead, once done
  void* owner = nullptr;
  bool counted = true;  ///< false: the library's own (bring-up, finalisation), not in the statistics

  Status result;  ///< valid once done
  std::atomic<std::uint32_t> done{0};

  /// The call ends, or never begins: its error feedback is for others again.
  void leave_feedback(bool keep) {
    if (feedback) std::exchange(feedback, nullptr)->end(this, keep);
  }

  void complete(Status status) {
    leave_feedback(status.ok());
    result = std::move(status);
    if (detached) return detached(owner);
    done.store(1, std::memory_order_release);
    done.notify_all();
  }
  bool finished() const { return done.load(std::memory_order_acquire) != 0; }
  void wait() const { done.wait(0, std::memory_order_acquire); }
};

}  // namespace longhaul::engine
