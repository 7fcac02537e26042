// SPDX-License-Identifier: Apache-2.0
#include "checker.h"

#include <cstring>

#include "codec/codec.h"
#include "engine/describe.h"
#include "plan/plan.h"

namespace longhaul::sim {
namespace {

using plan::Collective;

/// Only the types the simulator uses.
std::size_t element(lhDataType_t type) { return type == lhInt64 ? 8 : 4; }

template <typename T>
std::vector<T> values_of(const Buffer& buffer) {
  std::vector<T> values(buffer.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), buffer.data(), buffer.size());
  return values;
}

template <typename T>
T combine(T a, T b, lhRedOp_t op) {
  switch (op) {
    case lhMax:
      return a > b ? a : b;
    case lhMin:
      return a < b ? a : b;
    default:
      return static_cast<T>(a + b);
  }
}

/// Members in order, as one sequential fold.
template <typename T>
std::vector<T> fold(const std::vector<std::vector<T>>& inputs, lhRedOp_t op) {
  std::vector<T> sum = inputs.front();
  for (std::size_t i = 1; i < inputs.size(); ++i)
    for (std::size_t e = 0; e < sum.size(); ++e) sum[e] = combine(sum[e], inputs[i][e], op);
  return sum;
}

/// What sites that exchange encoded pieces sum up to. `rail`: of the ranks with this siteRank, or -1.
std::vector<float> sum_encoded(const plan::Topology& topology, const plan::Call& call, const Place& place, int rail,
                               const std::vector<std::vector<float>>& sites) {
  const codec::Codec& codec = *codec::find(call.codec);
  const kernels::CodecForm& form = *codec.kernels->reference;
  const plan::Plan plan(topology, rail < 0 ? 0 : topology.rank(0, rail), call, sizeof(float), {.chunk_bytes = place.chunk_bytes});
  std::vector<float> result(sites.front().size());
  for (std::uint64_t index = 0; index < plan.chunk_count(); ++index) {
    const plan::Chunk chunk = plan.chunk(index);
    const codec::Rotation rotation{engine::announcement_of(call).signature(), place.sequence, static_cast<std::uint32_t>(index)};
    for (std::uint64_t begin = chunk.range.begin; begin < chunk.range.end;) {
      const std::uint64_t end = plan.piece_end(chunk, begin);
      std::vector<std::byte> blob(codec.most_bytes(end - begin));
      std::vector<float> sum(codec.accumulator_values(end - begin));
      for (const std::vector<float>& site : sites) {
        form.encode(site.data() + begin, end - begin, rotation, blob.data());
        form.decode_add(blob.data(), end - begin, &site == &sites.front(), sum.data());
      }
      if (form.finish) form.finish(sum.data(), end - begin, rotation);
      std::copy_n(sum.begin(), end - begin, result.begin() + static_cast<std::ptrdiff_t>(begin));
      begin = end;
    }
  }
  return result;
}

template <typename T>
std::vector<T> sum_sites(const plan::Topology& topology, const plan::Call& call, const Place& place, int rail,
                         const std::vector<std::vector<T>>& sites) {
  if constexpr (std::is_same_v<T, float>)
    if (call.codec != lhCodecNone && sites.size() > 1) return sum_encoded(topology, call, place, rail, sites);
  return fold(sites, call.op);
}

template <typename T>
std::vector<T> reduce_members(const plan::Topology& topology, const plan::Call& call, const Place& place, const std::vector<Buffer>& sends,
                              int rail) {
  std::vector<std::vector<T>> sites;
  for (int site = 0; site < topology.sites(); ++site) {
    std::vector<std::vector<T>> members;
    for (int i = 0; i < topology.size_of(site); ++i)
      if (rail < 0 || i == rail) members.push_back(values_of<T>(sends[static_cast<std::size_t>(topology.rank(site, i))]));
    sites.push_back(fold(members, call.op));
  }
  std::vector<T> result = sum_sites(topology, call, place, rail, sites);
  const int divisor = rail < 0 ? topology.ranks() : topology.sites();
  if (call.op == lhAvg)
    for (T& value : result) value = value / static_cast<T>(divisor);
  return result;
}

template <typename T>
std::vector<Buffer> expected_reduction(const plan::Topology& topology, const plan::Call& call, const Place& place, const std::vector<Buffer>& sends) {
  std::vector<Buffer> results;
  for (int rank = 0; rank < topology.ranks(); ++rank) {
    const int rail = call.scope == lhScopeRail ? topology.site_rank_of(rank) : -1;
    std::vector<T> all = reduce_members<T>(topology, call, place, sends, rail);
    const T* begin = all.data();
    std::size_t count = all.size();
    if (call.collective == Collective::ReduceScatter) {
      begin += static_cast<std::size_t>(rank) * call.count;
      count = call.count;
    }
    Buffer result(count * sizeof(T));
    if (count) std::memcpy(result.data(), begin, result.size());
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace

std::size_t send_bytes(const plan::Topology& topology, const plan::Call& call) {
  const std::size_t bytes = call.count * element(call.type);
  return call.collective == Collective::ReduceScatter ? bytes * static_cast<std::size_t>(topology.ranks()) : bytes;
}

std::size_t recv_bytes(const plan::Topology& topology, const plan::Call& call) {
  const std::size_t bytes = call.count * element(call.type);
  return call.collective == Collective::AllGather ? bytes * static_cast<std::size_t>(topology.ranks()) : bytes;
}

std::vector<Buffer> expected(const plan::Topology& topology, const plan::Call& call, const Place& place, const std::vector<Buffer>& sends) {
  if (call.collective == Collective::Broadcast) return std::vector<Buffer>(sends.size(), sends[static_cast<std::size_t>(call.root)]);
  if (call.collective == Collective::AllGather) {
    Buffer all;
    for (const Buffer& one : sends) all.insert(all.end(), one.begin(), one.end());
    return std::vector<Buffer>(sends.size(), all);
  }
  return call.type == lhInt64 ? expected_reduction<std::int64_t>(topology, call, place, sends)
                              : expected_reduction<float>(topology, call, place, sends);
}

}  // namespace longhaul::sim
