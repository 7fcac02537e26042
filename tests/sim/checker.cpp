// SPDX-License-Identifier: Apache-2.0
#include "checker.h"

#include <cstring>

#include "codec/codec.h"
#include "engine/describe.h"
#include "kernels/feedback/arithmetic.h"
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

/// How a call is carried out, but for its data.
struct Way {
  const plan::Topology& topology;
  const plan::Call& call;
  const Place& place;
  Residuals* residuals;
};

/// Of one site's encoding of a piece.
void feed_back(std::vector<std::uint16_t>* residual, const std::vector<float>& values, std::uint64_t begin, std::uint64_t end, const std::byte* blob,
               const codec::Codec& codec, const codec::Rotation& rotation) {
  std::vector<float> decoded(codec.accumulator_values(end - begin));
  const kernels::CodecForm& form = *codec.kernels->reference;
  form.decode_add(blob, end - begin, true, decoded.data());
  if (form.finish) form.finish(decoded.data(), end - begin, rotation);
  for (std::uint64_t i = begin; i < end; ++i) (*residual)[i] = kernels::residual_of(values[i], decoded[i - begin]);
}

/// What sites that exchange encoded pieces sum up to. `rail`: of the ranks with this siteRank, or -1.
std::vector<float> sum_encoded(const Way& way, int rail, std::vector<std::vector<float>> sites) {
  const auto& [topology, call, place, residuals] = way;
  const codec::Codec& codec = *codec::find(call.codec);
  const kernels::CodecForm& form = *codec.kernels->reference;
  const plan::Plan plan(topology, rail < 0 ? 0 : topology.rank(0, rail), call, sizeof(float), {.chunk_bytes = place.chunk_bytes});
  std::vector<float> result(sites.front().size());
  const bool feedback = residuals && !codec.exact();
  for (int s = 0; feedback && s < topology.sites(); ++s) {
    std::vector<float>& values = sites[static_cast<std::size_t>(s)];
    std::vector<std::uint16_t>& residual = (*residuals)[{rail, s}];
    residual.resize(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = kernels::with_residual(values[i], residual[i]);
  }
  plan::Call numbered = call;
  numbered.number = place.sequence;
  for (std::uint64_t index = 0; index < plan.chunk_count(); ++index) {
    const plan::Chunk chunk = plan.chunk(index);
    const codec::Rotation rotation{engine::announcement_of(numbered).signature(), place.sequence, static_cast<std::uint32_t>(index)};
    for (std::uint64_t begin = chunk.range.begin; begin < chunk.range.end;) {
      const std::uint64_t end = plan.piece_end(chunk, begin);
      std::vector<std::byte> blob(codec.most_bytes(end - begin));
      std::vector<float> sum(codec.accumulator_values(end - begin));
      for (const std::vector<float>& site : sites) {
        form.encode(site.data() + begin, end - begin, rotation, blob.data());
        const auto s = static_cast<int>(&site - &sites.front());
        if (feedback) feed_back(&(*residuals)[{rail, s}], site, begin, end, blob.data(), codec, rotation);
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
std::vector<T> sum_sites(const Way& way, int rail, const std::vector<std::vector<T>>& sites) {
  if constexpr (std::is_same_v<T, float>)
    if (way.call.codec != lhCodecNone && sites.size() > 1) return sum_encoded(way, rail, sites);
  return fold(sites, way.call.op);
}

template <typename T>
std::vector<T> reduce_members(const Way& way, const std::vector<Buffer>& sends, int rail) {
  const plan::Topology& topology = way.topology;
  const plan::Call& call = way.call;
  std::vector<std::vector<T>> sites;
  for (int site = 0; site < topology.sites(); ++site) {
    std::vector<std::vector<T>> members;
    for (int i = 0; i < topology.size_of(site); ++i)
      if (rail < 0 || i == rail) members.push_back(values_of<T>(sends[static_cast<std::size_t>(topology.rank(site, i))]));
    sites.push_back(fold(members, call.op));
  }
  std::vector<T> result = sum_sites(way, rail, sites);
  const int divisor = rail < 0 ? topology.ranks() : topology.sites();
  if (call.op == lhAvg)
    for (T& value : result) value = value / static_cast<T>(divisor);
  return result;
}

template <typename T>
std::vector<Buffer> expected_reduction(const Way& way, const std::vector<Buffer>& sends) {
  const plan::Call& call = way.call;
  std::vector<Buffer> results;
  std::map<int, std::vector<T>> reductions;  // by rail: of one call, so that residuals change once
  for (int rank = 0; rank < way.topology.ranks(); ++rank) {
    const int rail = call.scope == lhScopeRail ? way.topology.site_rank_of(rank) : -1;
    if (!reductions.contains(rail)) reductions[rail] = reduce_members<T>(way, sends, rail);
    const std::vector<T>& all = reductions[rail];
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

std::vector<std::uint16_t> kept_by(const plan::Topology& topology, int rank, const plan::Call& call, const Place& place, const Residuals& residuals) {
  const plan::Plan plan(topology, rank, call, sizeof(float), {.chunk_bytes = place.chunk_bytes});
  const auto found = residuals.find({call.scope == lhScopeRail ? topology.site_rank_of(rank) : -1, plan.site()});
  std::vector<std::uint16_t> kept;
  for (std::uint64_t index = 0; index < plan.chunk_count(); ++index) {
    const Range part = plan.part(plan.chunk(index), plan.site(), plan.group_rank());
    for (std::uint64_t i = part.begin; i < part.end; ++i) kept.push_back(found == residuals.end() ? std::uint16_t{0} : found->second[i]);
  }
  return kept;
}

std::vector<Buffer> expected(const plan::Topology& topology, const plan::Call& call, const Place& place, const std::vector<Buffer>& sends,
                             Residuals* residuals) {
  if (call.collective == Collective::Broadcast) return std::vector<Buffer>(sends.size(), sends[static_cast<std::size_t>(call.root)]);
  if (call.collective == Collective::AllGather) {
    Buffer all;
    for (const Buffer& one : sends) all.insert(all.end(), one.begin(), one.end());
    return std::vector<Buffer>(sends.size(), all);
  }
  const Way way{topology, call, place, residuals};
  return call.type == lhInt64 ? expected_reduction<std::int64_t>(way, sends) : expected_reduction<float>(way, sends);
}

}  // namespace longhaul::sim
