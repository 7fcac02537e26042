// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "site/host/shm_channel.h"

namespace longhaul::sim {
namespace {

using ChannelRow = std::vector<std::unique_ptr<site::Channel>>;

std::vector<ChannelRow> connect_site(int size, std::size_t max_payload) {
  std::vector<ChannelRow> rows(static_cast<std::size_t>(size));
  for (auto& row : rows) row.resize(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t j = i + 1; j < rows.size(); ++j) {
      // Few slots, so that full rings are met all the time.
      auto pair = site::make_local_pair(site::ShmShape{.max_payload = max_payload, .data_slots = 2, .control_slots = 4});
      LH_CHECK(pair.ok());
      rows[i][j] = std::move(pair->first);
      rows[j][i] = std::move(pair->second);
    }
  return rows;
}

}  // namespace

World::World(const WorldOptions& options) : options_(options), random_(options.seed), topology_(options.site_sizes) {
  std::vector<int> site_of_node;
  for (int rank = 0; rank < ranks(); ++rank) site_of_node.push_back(topology_.site_of(rank));
  options_.network.seed = random_.next();
  network_ = std::make_shared<transport::Network>(site_of_node, options_.network);
  network_->set_clock([this] { return now_; });
  for (int site = 0; site < topology_.sites(); ++site)
    for (ChannelRow& row : connect_site(topology_.size_of(site), options_.chunk_bytes))
      engines_.push_back(make_engine(static_cast<int>(engines_.size()), std::move(row)));
  order_.resize(engines_.size());
  std::iota(order_.begin(), order_.end(), 0);
}

World::~World() = default;

std::unique_ptr<engine::Engine> World::make_engine(int rank, ChannelRow channels) {
  engine::Members members{topology_, {}, rank};
  for (int site = 0; site < topology_.sites(); ++site) members.site_names.push_back(std::string(1, static_cast<char>('a' + site)));
  std::unique_ptr<engine::Links> links;
  if (topology_.sites() > 1) {
    std::vector<engine::LinkPeer> peers;
    for (const int other : plan::wan_peers(topology_, rank)) {
      link::SessionOptions session = options_.session;
      session.peer_name = members.who(other);
      session.dialer = rank > other;
      peers.push_back({other, static_cast<std::uint64_t>(other) + 100, {"", static_cast<std::uint16_t>(other)}, session});
    }
    auto transport = network_->make_transport(rank);
    LH_CHECK(transport->listen().ok());
    links = std::make_unique<engine::Links>(std::move(transport), security::Credentials{"sim", {}}, rank,
                                            static_cast<std::uint64_t>(rank) + 100, peers, nullptr);
  }
  std::unique_ptr<site::Group> group;
  if (members.site_size() > 1) group = std::make_unique<site::Group>(members.site_rank(), std::move(channels));
  engine::EngineOptions engine_options;
  engine_options.chunk_bytes = options_.chunk_bytes;
  // Sixteen slots: few enough to run out, which is where the order of taking them matters.
  engine_options.blob_bytes = 16 * options_.chunk_bytes / static_cast<std::uint64_t>(members.site_size());
  engine_options.warn = false;
  return std::make_unique<engine::Engine>(members, engine_options, std::move(links), std::move(group));
}

void World::turn() {
  for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[random_.below(i)]);
  bool moved = false;
  TimeNs next = kNever;
  for (const int rank : order_) {
    if (!alive(rank) || engine(rank).left()) continue;
    moved |= engine(rank).step(now_);
    if (engine(rank).left()) continue;
    if (!engine(rank).arm()) moved = true;
    next = std::min(next, engine(rank).next_event());
  }
  if (moved) return;
  // Idle: time passes all the same, and brings the next call.
  now_ = std::max(std::min(next, now_ + kSecond / 10), now_ + 1);
  trace(static_cast<std::uint64_t>(now_));
}

void World::kill(int rank) {
  network_->kill_node(rank);
  engines_[static_cast<std::size_t>(rank)].reset();
}

WorldCall::WorldCall(World* world, const plan::Call& call, bool in_place, std::uint64_t tag)
    : world_(world), call_(call), tag_(tag), in_place_(in_place), requests_(static_cast<std::size_t>(world->ranks())) {
  for (int rank = 0; rank < world->ranks(); ++rank) {
    Buffer send(send_bytes(world->topology(), call));
    if (call.type == lhInt64) {
      for (std::size_t i = 0; i + 8 <= send.size(); i += 8) {
        const std::uint64_t value = world->random().next() >> 8;
        std::memcpy(&send[i], &value, 8);
      }
    } else {
      for (std::size_t i = 0; i + 4 <= send.size(); i += 4) {
        const auto value = static_cast<float>((world->random().uniform() - 0.5) * 1e3);
        std::memcpy(&send[i], &value, 4);
      }
    }
    sends_.push_back(std::move(send));
  }
  const Place place = world->next_place();
  const auto keep = [&](std::vector<std::vector<std::uint16_t>>* kept) {
    for (int rank = 0; tag && rank < world->ranks(); ++rank) kept->push_back(kept_by(world->topology(), rank, call, place, world->residuals(tag)));
  };
  keep(&before_);
  expected_ = expected(world->topology(), call, place, sends_, tag ? &world->residuals(tag) : nullptr);
  keep(&after_);
  for (int rank = 0; rank < world->ranks(); ++rank) {
    const auto r = static_cast<std::size_t>(rank);
    received_.push_back(in_place ? sends_[r] : Buffer(recv_bytes(world->topology(), call), std::byte{0xee}));
    requests_[r].call = call;
    requests_[r].recv = received_[r].data();
    requests_[r].send = in_place ? received_[r].data() : sends_[r].data();
  }
}

void WorldCall::submit(int rank, TimeNs deadline) {
  requests_[static_cast<std::size_t>(rank)].deadline = deadline;
  if (tag_) LH_CHECK(world_->engine(rank).use_feedback(&requests_[static_cast<std::size_t>(rank)], tag_).ok());
  world_->engine(rank).submit(&requests_[static_cast<std::size_t>(rank)]);
}

bool WorldCall::finished() const {
  for (int rank = 0; rank < world_->ranks(); ++rank)
    if (world_->alive(rank) && !finished(rank)) return false;
  return true;
}

int WorldCall::successes() const {
  int count = 0;
  for (int rank = 0; rank < world_->ranks(); ++rank) count += finished(rank) && result(rank).ok();
  return count;
}

std::string WorldCall::verdict() const {
  for (int rank = 0; rank < world_->ranks(); ++rank) {
    const auto r = static_cast<std::size_t>(rank);
    if (!finished(rank) || !result(rank).ok()) continue;
    if (received_[r] != expected_[r])
      return fmt::format("rank {} has wrong bytes: collective {}, count {}, codec {}", rank,
                         static_cast<int>(call_.collective), call_.count, static_cast<int>(call_.codec));
  }
  return "";
}

plan::Call random_call(World* world) {
  Random& random = world->random();
  plan::Call call;
  call.collective = static_cast<plan::Collective>(1 + random.below(5));
  call.type = random.chance(0.3) ? lhInt64 : lhFloat32;
  static constexpr std::uint64_t kCounts[] = {0, 1, 3, 127, 128, 1023, 1024, 1025, 2049};
  call.count = random.chance(0.5) ? kCounts[random.below(9)] : random.below(20000);
  if (call.collective == plan::Collective::ReduceScatter || call.collective == plan::Collective::AllGather) call.count /= 4;
  static constexpr lhRedOp_t kOps[] = {lhSum, lhSum, lhAvg, lhMax, lhMin};
  call.op = kOps[random.below(5)];
  call.root = static_cast<int>(random.below(static_cast<std::uint64_t>(world->ranks())));
  if (call.collective == plan::Collective::Barrier) call = {.collective = call.collective, .type = lhInt64, .count = 0};
  const bool all_reduce = call.collective == plan::Collective::AllReduce;
  if (all_reduce && call.type == lhFloat32 && (call.op == lhSum || call.op == lhAvg)) {
    call.codec = static_cast<lhCodec_t>(lhCodecNone + static_cast<int>(random.below(lhCodecLossless)));
  }
  if (all_reduce && world->topology().equal_sizes() && random.chance(0.3)) call.scope = lhScopeRail;
  return call;
}

plan::Call random_bucket_call(World* world, std::uint64_t tag) {
  Random& random = world->random();
  static constexpr std::uint64_t kCounts[kBuckets] = {2049, 6007, 17000};
  static constexpr lhCodec_t kCodecs[] = {lhCodecBf16, lhCodecI8, lhCodecR4, lhCodecF4, lhCodecR2, lhCodecLossless};
  plan::Call call;
  call.count = kCounts[tag - 1];
  call.op = random.chance(0.5) ? lhSum : lhAvg;
  call.codec = kCodecs[random.below(6)];
  if (tag == 2 && world->topology().equal_sizes()) call.scope = lhScopeRail;
  return call;
}

std::optional<std::vector<std::uint16_t>> residuals_of(World* world, int rank, std::uint64_t tag) {
  const engine::Feedback& feedback = world->engine(rank).feedback();
  const auto size = feedback.saved_bytes(tag);
  if (!size.ok()) return std::nullopt;
  std::vector<std::byte> bytes(*size);
  LH_CHECK(feedback.save(tag, bytes).ok());
  constexpr std::size_t kHeader = 56;
  std::vector<std::uint16_t> residuals((bytes.size() - kHeader) / 2);
  if (!residuals.empty()) std::memcpy(residuals.data(), bytes.data() + kHeader, bytes.size() - kHeader);
  return residuals;
}

}  // namespace longhaul::sim
