// SPDX-License-Identifier: Apache-2.0
#include "engine/session_channel.h"

#include <algorithm>

namespace longhaul::engine {
namespace {

constexpr std::size_t kBlobs = 8;

site::Lane lane_of(std::uint32_t kind) {
  switch (kind) {
    case wire::kContribution:
      return site::Lane::Collect;
    case wire::kResult:
      return site::Lane::Distribute;
    default:
      return site::Lane::Control;
  }
}

}  // namespace

SessionChannel::SessionChannel(link::Session* session, std::size_t max_payload)
    : session_(session), blobs_(kBlobs, std::max(max_payload, site::kMaxControlBytes)) {}

void SessionChannel::deliver(const link::Delivery& delivery, transport::Inbound payload) {
  Waiting waiting;
  waiting.message = delivery.message;
  waiting.inline_size = delivery.inline_payload.size();
  std::copy(delivery.inline_payload.begin(), delivery.inline_payload.end(), waiting.inline_bytes.begin());
  waiting.inbound = std::move(payload);
  waiting.cost = delivery.cost;
  early_.emplace(delivery.sequence, std::move(waiting));
  while (!early_.empty() && early_.begin()->first == next_) {
    Waiting next = std::move(early_.begin()->second);
    early_.erase(early_.begin());
    ++next_;
    lanes_[static_cast<std::size_t>(lane_of(next.message.kind))].push_back(std::move(next));
  }
}

bool SessionChannel::send(site::Lane, const wire::Message& message, ConstBytes payload) {
  if (!session_->can_send()) return false;
  if (payload.size() <= wire::kMaxInlineBytes) {
    session_->send(message, payload);
    return true;
  }
  link::Blob blob = blobs_.acquire();
  if (!blob) return false;
  LH_CHECK(payload.size() <= blob.memory().size());
  std::copy(payload.begin(), payload.end(), blob.memory().begin());
  session_->send(message, blob, blob.memory().first(payload.size()));
  return true;
}

std::optional<site::Received> SessionChannel::peek(site::Lane lane) {
  const auto& queue = lanes_[static_cast<std::size_t>(lane)];
  if (queue.empty()) return std::nullopt;
  return site::Received{queue.front().message, queue.front().bytes()};
}

void SessionChannel::pop(site::Lane lane) {
  auto& queue = lanes_[static_cast<std::size_t>(lane)];
  session_->consumed(queue.front().cost);
  queue.pop_front();
}

bool SessionChannel::progress(TimeNs) { return false; }

}  // namespace longhaul::engine
