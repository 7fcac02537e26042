// SPDX-License-Identifier: Apache-2.0
// What Group promises, over any fabric: whole calls of several chunks, all ranks stepped in random order, results
// compared bit by bit with a plain loop in siteRank order.
#pragma once

#include <cstring>

#include "kernels/reduce.h"
#include "support/site_fabric.h"

namespace longhaul::site::testing {

enum class Shape { AllReduce, ReduceScatter, AllGather, Broadcast };

struct GroupCall {
  Shape shape = Shape::AllReduce;
  lhDataType_t type = lhFloat32;  ///< lhFloat32, lhInt32 or lhBfloat16
  lhRedOp_t op = lhSum;
  bool as_float = false;  ///< stops after the collection
  std::uint64_t elements = 0;
  std::uint64_t chunk_elements = 0;
  std::uint64_t seed = 0;

  bool reduce() const { return shape == Shape::AllReduce || shape == Shape::ReduceScatter; }
  std::uint64_t chunks() const { return (elements + chunk_elements - 1) / chunk_elements; }
  std::size_t bytes() const { return kernels::size_of(type); }
};

inline Range nth_of(const Range& whole, int i, int n) {
  const auto cut = [&](int k) {
    return whole.begin + whole.count() * static_cast<std::uint64_t>(k) / static_cast<std::uint64_t>(n);
  };
  return {cut(i), cut(i + 1)};
}

/// Who contributes, owns and wants what, as a plan would say it.
struct Layout {
  std::vector<Range> contributions;
  std::vector<Range> wants;
  std::vector<std::vector<Range>> parts;  ///< [chunk][rank]

  Layout(const GroupCall& call, int n) {
    const Range all{0, call.elements};
    for (int i = 0; i < n; ++i) {
      const bool root = i == n - 1;
      const Range segment = nth_of(all, i, n);
      const Range broadcast = root ? all : Range{};
      contributions.push_back(call.reduce() ? all : call.shape == Shape::AllGather ? segment : broadcast);
      wants.push_back(call.shape == Shape::ReduceScatter ? segment : all);
    }
    for (std::uint64_t c = 0; c < call.chunks(); ++c) {
      const Range chunk{c * call.chunk_elements, std::min(call.elements, (c + 1) * call.chunk_elements)};
      std::vector<Range> row;
      for (int i = 0; i < n; ++i) row.push_back(nth_of(chunk, i, n));
      parts.push_back(row);
    }
  }
};

/// Bits of element e of rank r: floats of very different sizes, so that another order of additions shows.
inline std::uint32_t element_bits(const GroupCall& call, int rank, std::uint64_t e) {
  Random random(call.seed * 1'000'003 + static_cast<std::uint64_t>(rank) * 7919 + e);
  random.next();
  if (call.type == lhInt32) return static_cast<std::uint32_t>(random.next());
  const double scale = static_cast<double>(std::uint64_t{1} << random.below(24));
  const auto value = static_cast<float>((random.uniform() - 0.5) * scale);
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return call.type == lhBfloat16 ? bits >> 16 : bits;
}

inline float float_of(std::uint32_t bits) {
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// Bits of the finished element (of the fp32 sum with as_float).
inline std::uint32_t expected_bits(const GroupCall& call, const Layout& layout, std::uint64_t e) {
  bool first = true;
  float sum = 0;
  std::uint32_t integer = 0;
  for (int rank = 0; rank < static_cast<int>(layout.contributions.size()); ++rank) {
    if (!layout.contributions[static_cast<std::size_t>(rank)].contains({e, e + 1})) continue;
    const std::uint32_t bits = element_bits(call, rank, e);
    const float value = float_of(call.type == lhBfloat16 ? bits << 16 : bits);
    sum = first ? value : call.op == lhMax ? std::max(sum, value) : sum + value;
    integer = first ? bits : integer + bits;
    first = false;
  }
  if (call.type == lhInt32 || (!call.reduce() && !call.as_float)) return integer;
  std::uint32_t bits = 0;
  std::memcpy(&bits, &sum, sizeof bits);
  return bits;
}

/// One rank's way through a call.
class Actor {
 public:
  Actor(Group& group, const GroupCall& call)
      : group_(group), call_(call), layout_(call, group.size()), rank_(static_cast<std::size_t>(group.rank())) {
    const Range& own = layout_.contributions[rank_];
    for (std::uint64_t e = own.begin; e < own.end; ++e) {
      const std::uint32_t bits = element_bits(call, group.rank(), e);
      const auto* bytes = reinterpret_cast<const std::byte*>(&bits);
      send_.insert(send_.end(), bytes, bytes + call.bytes());
    }
    result_.resize(call.elements * kWidth);
    got_.resize(call.elements);
    parts_.resize(call.chunks());
  }

  bool step() {
    if (sent_ < call_.chunks() && group_.send_contributions(task(sent_), &next_contribution_)) {
      ++sent_;
      next_contribution_ = 0;
    }
    if (collected_ < call_.chunks()) collect();
    if (!call_.as_float && distributed_ < collected_ &&
        group_.send_result(task(distributed_), parts_[distributed_].data(), &next_result_)) {
      ++distributed_;
      next_result_ = 0;
    }
    for (int peer = 0; peer < group_.size(); ++peer) {
      if (peer != group_.rank()) receive(group_.channel(peer));
    }
    return finished();
  }

  /// Every wanted element is there, right to the bit; nothing came twice or unasked.
  void check() const {
    std::uint64_t wrong = 0;
    for (std::uint64_t e = 0; e < call_.elements; ++e) {
      const bool due = call_.as_float ? owned(e) : layout_.wants[rank_].contains({e, e + 1});
      const std::uint32_t expected = due ? expected_bits(call_, layout_, e) : 0;
      const std::size_t width = call_.as_float ? kWidth : call_.bytes();
      if (got_[e] != (due ? 1 : 0) || std::memcmp(&result_[e * kWidth], &expected, width) != 0) ++wrong;
    }
    CHECK(wrong == 0);
  }

 private:
  static constexpr std::size_t kWidth = 4;

  ChunkTask task(std::uint64_t chunk) const {
    ChunkTask task;
    task.message = {0, static_cast<std::uint32_t>(chunk), 9, call_.seed, 0, 0};
    task.type = call_.type;
    task.op = call_.op;
    task.reduce = call_.reduce();
    task.parts = layout_.parts[chunk];
    task.contributions = layout_.contributions;
    task.wants = layout_.wants;
    task.send = send_.data();
    return task;
  }

  void collect() {
    const Range& part = layout_.parts[collected_][rank_];
    std::vector<std::byte>& out = parts_[collected_];
    const std::size_t width = call_.as_float ? sizeof(float) : call_.bytes();
    out.resize(part.count() * width);
    const Collected state = group_.collect(task(collected_), out.data(), call_.as_float);
    REQUIRE(state != Collected::Mismatch);
    if (state == Collected::Waiting) return;
    const Range kept = call_.as_float ? part : intersect(part, layout_.wants[rank_]);
    keep(kept, out.data() + (kept.begin - (kept.empty() ? kept.begin : part.begin)) * width, width);
    ++collected_;
  }

  void receive(Channel& channel) {
    while (const auto head = channel.peek(Lane::Distribute)) {
      const Range range{head->message.begin, head->message.begin + head->payload.size() / call_.bytes()};
      REQUIRE(head->message.kind == kResult);
      REQUIRE(head->message.operation == 9);
      REQUIRE(head->message.signature == call_.seed);
      REQUIRE(layout_.wants[rank_].contains(range));
      keep(range, head->payload.data(), call_.bytes());
      channel.pop(Lane::Distribute);
    }
  }

  void keep(const Range& range, const std::byte* values, std::size_t width) {
    for (std::uint64_t e = range.begin; e < range.end; ++e) {
      std::memcpy(&result_[e * kWidth], values + (e - range.begin) * width, width);
      ++got_[e];
    }
    kept_ += range.count();
  }

  bool owned(std::uint64_t e) const { return layout_.parts[e / call_.chunk_elements][rank_].contains({e, e + 1}); }

  bool finished() const {
    if (sent_ < call_.chunks() || collected_ < call_.chunks()) return false;
    return call_.as_float || (distributed_ == call_.chunks() && kept_ == layout_.wants[rank_].count());
  }

  Group& group_;
  GroupCall call_;
  Layout layout_;
  std::size_t rank_;
  std::vector<std::byte> send_;
  std::vector<std::byte> result_;
  std::vector<int> got_;
  std::vector<std::vector<std::byte>> parts_;
  std::uint64_t sent_ = 0, collected_ = 0, distributed_ = 0, kept_ = 0;
  int next_contribution_ = 0, next_result_ = 0;
};

/// Runs one call on a site of n ranks and checks every rank's result.
inline void check_call(Fabric& fabric, int n, const GroupCall& call) {
  INFO("ranks " << n << ", shape " << static_cast<int>(call.shape) << ", type " << static_cast<int>(call.type)
                << ", elements " << call.elements << ", as_float " << call.as_float << ", seed " << call.seed);
  Ranks ranks = fabric.join(n, call.chunk_elements * sizeof(float));
  std::vector<std::unique_ptr<Actor>> actors(static_cast<std::size_t>(n));
  for (const auto& group : ranks)
    actors[static_cast<std::size_t>(group->rank())] = std::make_unique<Actor>(*group, call);
  run_all(
      ranks, [&](Group& group) { return actors[static_cast<std::size_t>(group.rank())]->step(); }, call.seed);
  for (const auto& actor : actors) {
    if (actor) actor->check();
  }
  fabric.leave(std::move(ranks));
}

inline void check_all_calls(Fabric& fabric) {
  for (const int n : fabric.sizes()) {
    // 1 and 3: chunks with fewer elements than ranks, so some parts are empty. 1000 of 96: many chunks, the last one
    // short.
    for (const std::uint64_t elements : {std::uint64_t{1}, std::uint64_t{3}, std::uint64_t{1000}}) {
      const std::uint64_t seed = elements + static_cast<std::uint64_t>(n);
      for (const Shape shape : {Shape::AllReduce, Shape::ReduceScatter, Shape::AllGather, Shape::Broadcast}) {
        check_call(fabric, n, {shape, lhFloat32, lhSum, false, elements, 96, seed});
      }
      check_call(fabric, n, {Shape::AllReduce, lhInt32, lhSum, false, elements, 96, seed});
      check_call(fabric, n, {Shape::AllReduce, lhFloat32, lhMax, false, elements, 96, seed});
      check_call(fabric, n, {Shape::AllReduce, lhFloat32, lhAvg, true, elements, 96, seed});
      check_call(fabric, n, {Shape::AllReduce, lhBfloat16, lhSum, true, elements, 96, seed});
      check_call(fabric, n, {Shape::AllGather, lhBfloat16, lhSum, true, elements, 96, seed});
    }
  }
}

/// Rank 1 sends `wrong` (and `size` floats) where rank 0 expects chunk 2 of operation 5; ranks above 1 send nothing,
/// and that must not hide the mismatch.
inline void check_mismatch(Fabric& fabric, int n, const Message& sent, std::size_t size, Collected expected) {
  INFO("kind " << sent.kind << ", operation " << sent.operation << ", chunk " << sent.chunk << ", begin " << sent.begin
               << ", codec " << sent.codec << ", " << size << " bytes");
  Ranks ranks = fabric.join(n, 4096);
  const std::vector<Range> whole(static_cast<std::size_t>(n), Range{0, 1000});
  std::vector<Range> parts(static_cast<std::size_t>(n), Range{});
  parts[0] = {100, 200};
  const std::vector<float> mine(1000, 1.0F);
  std::vector<std::byte> out(400);
  ChunkTask task;
  task.message = {0, 2, 5, 77, 0, 0};
  task.parts = parts;
  task.contributions = task.wants = whole;
  task.send = reinterpret_cast<const std::byte*>(mine.data());
  run_all(
      ranks,
      [&](Group& group) {
        if (group.rank() == 1) return group.channel(0).send(Lane::Collect, sent, std::vector<std::byte>(size));
        if (group.rank() != 0) return true;
        const Collected state = group.collect(task, out.data(), false);
        if (state != expected || (expected == Collected::Waiting && !group.channel(1).peek(Lane::Collect))) {
          REQUIRE(state == Collected::Waiting);
          return false;
        }
        if (expected == Collected::Mismatch) CHECK(group.mismatched_peer() == 1);
        // Nothing was consumed unless the chunk is done.
        CHECK(group.channel(1).peek(Lane::Collect).has_value() == (expected != Collected::Done));
        return true;
      },
      4);
  fabric.leave(std::move(ranks));
}

inline void check_mismatches(Fabric& fabric, int n) {
  const Message good{kContribution, 2, 5, 77, 100, 0};
  check_mismatch(fabric, n, good, 400, n == 2 ? Collected::Done : Collected::Waiting);
  check_mismatch(fabric, n, {kResult, 2, 5, 77, 100, 0}, 400, Collected::Mismatch);
  check_mismatch(fabric, n, {kContribution, 3, 5, 77, 100, 0}, 400, Collected::Mismatch);
  check_mismatch(fabric, n, {kContribution, 2, 6, 77, 100, 0}, 400, Collected::Mismatch);
  check_mismatch(fabric, n, {kContribution, 2, 4, 77, 100, 0}, 400, Collected::Mismatch);
  check_mismatch(fabric, n, {kContribution, 2, 5, 78, 100, 0}, 400, Collected::Mismatch);
  check_mismatch(fabric, n, {kContribution, 2, 5, 77, 99, 0}, 400, Collected::Mismatch);
  check_mismatch(fabric, n, {kContribution, 2, 5, 77, 100, 2}, 400, Collected::Mismatch);
  check_mismatch(fabric, n, good, 396, Collected::Mismatch);
  check_mismatch(fabric, n, good, 404, Collected::Mismatch);
  check_mismatch(fabric, n, good, 0, Collected::Mismatch);
}

}  // namespace longhaul::site::testing
