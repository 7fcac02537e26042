// SPDX-License-Identifier: Apache-2.0
// The in-site half of a collective: contributions to the owners of parts, finished parts to everyone. What a peer sent
// is compared with what the plan says it must send; its numbers are never used as an index or a size.
#include "site/group.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "kernels/reduce.h"

namespace longhaul::site {

namespace {

Message labelled(const ChunkTask& task, std::uint32_t kind, std::uint64_t begin) {
  Message message = task.message;
  message.kind = kind;
  message.begin = begin;
  message.codec = 0;
  return message;
}

std::size_t bytes_of(const ChunkTask& task, std::uint64_t elements) {
  return static_cast<std::size_t>(elements) * kernels::size_of(task.type);
}

/// The bytes of `piece` in memory that starts at element `origin`.
ConstBytes slice(const ChunkTask& task, const std::byte* memory, std::uint64_t origin, const Range& piece) {
  return {memory + bytes_of(task, piece.begin - origin), bytes_of(task, piece.count())};
}

}  // namespace

Group::Group(int rank, std::vector<std::unique_ptr<Channel>> channels)
    : rank_(rank), channels_(std::move(channels)), sources_(channels_.size()) {
  LH_CHECK(rank_ >= 0 && rank_ < size());
  for (int peer = 0; peer < size(); ++peer) {
    LH_CHECK((channels_[static_cast<std::size_t>(peer)] == nullptr) == (peer == rank_));
  }
}

bool Group::send_contributions(const ChunkTask& task, int* next) {
  const Range& own = task.contributions[static_cast<std::size_t>(rank_)];
  // Every rank starts with its right neighbour, so that nobody is everybody's first target.
  for (; *next < size() - 1; ++*next) {
    const int peer = (rank_ + 1 + *next) % size();
    const Range piece = intersect(own, task.parts[static_cast<std::size_t>(peer)]);
    if (piece.empty()) continue;
    const Message message = labelled(task, kContribution, piece.begin);
    if (!channel(peer).send(Lane::Collect, message, slice(task, task.send, own.begin, piece))) return false;
  }
  return true;
}

bool Group::send_result(const ChunkTask& task, const std::byte* part, int* next) {
  const Range& own = task.parts[static_cast<std::size_t>(rank_)];
  for (; *next < size() - 1; ++*next) {
    const int peer = (rank_ + 1 + *next) % size();
    const Range piece = intersect(own, task.wants[static_cast<std::size_t>(peer)]);
    if (piece.empty()) continue;
    const Message message = labelled(task, kResult, piece.begin);
    if (!channel(peer).send(Lane::Distribute, message, slice(task, part, own.begin, piece))) return false;
  }
  return true;
}

bool Group::send_ready(const ChunkTask& task, int* next) {
  for (; *next < size() - 1; ++*next)
    if (!channel((rank_ + 1 + *next) % size()).send(Lane::Distribute, labelled(task, kResult, 0), {})) return false;
  return true;
}

Collected Group::find_sources(const ChunkTask& task) {
  const Range& part = task.parts[static_cast<std::size_t>(rank_)];
  bool waiting = false;
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    const Range piece = intersect(task.contributions[i], part);
    LH_CHECK(!task.reduce || piece == part);
    sources_[i] = nullptr;
    if (piece.empty()) continue;
    if (static_cast<int>(i) == rank_) {
      sources_[i] = slice(task, task.send, task.contributions[i].begin, piece).data();
      continue;
    }
    const std::optional<Received> head = channels_[i]->peek(Lane::Collect);
    if (!head) {
      waiting = true;
      continue;
    }
    const bool expected = head->message == labelled(task, kContribution, piece.begin) &&
                          head->payload.size() == bytes_of(task, piece.count());
    if (!expected) {
      mismatched_peer_ = static_cast<int>(i);
      return Collected::Mismatch;
    }
    sources_[i] = head->payload.data();
  }
  return waiting ? Collected::Waiting : Collected::Done;
}

void Group::copy_pieces(const ChunkTask& task, std::byte* out, bool as_float) {
  const Range& part = task.parts[static_cast<std::size_t>(rank_)];
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    const Range piece = intersect(task.contributions[i], part);
    if (piece.empty()) continue;
    const std::uint64_t offset = piece.begin - part.begin;
    if (as_float) {
      auto* floats = reinterpret_cast<float*>(out) + offset;
      kernels::sum_to_float(floats, std::span(&sources_[i], 1), static_cast<std::size_t>(piece.count()), task.type);
      continue;
    }
    std::byte* place = out + bytes_of(task, offset);
    if (place != sources_[i]) std::memmove(place, sources_[i], bytes_of(task, piece.count()));
  }
}

Collected Group::collect(const ChunkTask& task, std::byte* out, bool as_float) {
  const Range& part = task.parts[static_cast<std::size_t>(rank_)];
  if (part.empty()) return Collected::Done;
  const Collected found = find_sources(task);
  if (found != Collected::Done) return found;

  const auto count = static_cast<std::size_t>(part.count());
  if (!task.reduce) {
    copy_pieces(task, out, as_float);
  } else if (as_float) {
    kernels::sum_to_float(reinterpret_cast<float*>(out), sources_, count, task.type);
  } else {
    kernels::reduce(out, sources_, count, task.type, task.op, 1);
  }
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    if (channels_[i] && sources_[i] != nullptr) channels_[i]->pop(Lane::Collect);
  }
  return Collected::Done;
}

bool Group::progress(TimeNs now) {
  bool moved = false;
  for (const auto& channel : channels_) {
    if (channel && channel->progress(now)) moved = true;
  }
  return moved;
}

bool Group::arm() {
  return std::all_of(channels_.begin(), channels_.end(),
                     [](const auto& channel) { return !channel || channel->arm(); });
}

void Group::append_wait_fds(std::vector<pollfd>& fds) const {
  for (const auto& channel : channels_) {
    if (channel) channel->append_wait_fds(fds);
  }
}

TimeNs Group::next_event() const {
  TimeNs earliest = kNever;
  for (const auto& channel : channels_) {
    if (channel) earliest = std::min(earliest, channel->next_event());
  }
  return earliest;
}

std::size_t Group::memory_bytes() const {
  std::size_t bytes = 0;
  for (const auto& channel : channels_) {
    if (channel) bytes += channel->memory_bytes();
  }
  return bytes;
}

}  // namespace longhaul::site
