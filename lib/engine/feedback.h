// SPDX-License-Identifier: Apache-2.0
// Error feedback: where the residuals of this rank's encodings live between calls. One state a tag, of the values this rank encodes
// (its parts of all chunks), as of the last call of that tag that succeeded. A call writes the residuals of its own encodings beside
// them and swaps the two when it succeeds, so a call that fails leaves no trace. Calls of one tag go one after the other.
// All but FeedbackState::before() and after() may be called by any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "plan/plan.h"

namespace longhaul::engine {

/// Which values a state is of. Two calls with equal layouts encode the same places.
struct FeedbackLayout {
  std::uint64_t count = 0;         ///< elements of the call
  std::uint64_t chunk_values = 0;  ///< of a chunk that is not the last
  std::uint64_t part_values = 0;   ///< of them, what this rank encodes
  std::uint64_t values = 0;        ///< what this rank encodes of all chunks
  std::uint32_t ranks = 1, rank = 0;  ///< that share the site's work; 1, 0 in the rail scope
  bool operator==(const FeedbackLayout&) const = default;

  static FeedbackLayout of(const plan::Plan& plan);
};

class FeedbackState {
 public:
  /// Residuals of this rank's part of a chunk: what the call adds, and what it leaves for the next.
  const std::uint16_t* before(std::uint64_t chunk) const { return now_.get() + chunk * layout_.part_values; }
  std::uint16_t* after(std::uint64_t chunk) { return next_.get() + chunk * layout_.part_values; }

  /// Whether it is this call's turn: that of the first to ask, until it ends.
  bool take_turn(const void* call);
  /// Every call that begin() was called for ends once. `keep`: it succeeded.
  void end(const void* call, bool keep);

 private:
  friend class Feedback;
  std::mutex* mutex_ = nullptr;
  FeedbackLayout layout_;
  std::unique_ptr<std::uint16_t[]> now_, next_;
  const void* turn_ = nullptr;
  int calls_ = 0;         // begun and not ended
  bool imported_ = false;  // and not used since
};

class Feedback {
 public:
  /// All states together take at most so much memory: 4 bytes a value.
  explicit Feedback(std::uint64_t most_bytes) : most_bytes_(most_bytes) {}

  /// The state of `tag` for a call with this plan. One of another layout begins anew with zeros, unless it was imported: then the call
  /// is refused, as one is that needs too much memory.
  Result<FeedbackState*> begin(std::uint64_t tag, const plan::Plan& plan);

  std::vector<std::uint64_t> tags() const;  ///< ascending
  /// Bytes that save() writes; lhInvalidArgument where the tag has no state.
  Result<std::size_t> saved_bytes(std::uint64_t tag) const;
  /// As of the last call that succeeded, also while one is under way. `out` has the size of saved_bytes().
  Status save(std::uint64_t tag, Bytes out) const;
  /// Total over any bytes. Replaces what is there; refused while a call of the tag is under way.
  Status restore(std::uint64_t tag, ConstBytes bytes);
  /// Forgets one state, or all with tag 0.
  Status reset(std::uint64_t tag);
  std::uint64_t memory_bytes() const;
  std::uint64_t peak_bytes() const;

 private:
  using States = std::map<std::uint64_t, std::unique_ptr<FeedbackState>>;
  /// Replaces the state of `tag`, which no call uses, by one of zeros.
  Result<FeedbackState*> make(std::uint64_t tag, const FeedbackLayout& layout);
  Status check_idle(std::uint64_t tag, const FeedbackState& state) const;

  const std::uint64_t most_bytes_;
  mutable std::mutex mutex_;
  States states_;
  std::uint64_t bytes_ = 0, peak_ = 0;
};

}  // namespace longhaul::engine
