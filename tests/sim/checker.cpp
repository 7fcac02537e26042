// SPDX-License-Identifier: Apache-2.0
#include "checker.h"

#include <cstdint>
#include <cstring>

#include "kernels/reference/bf16.h"
#include "kernels/reference/i8.h"

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

/// What a site's sum looks like after the WAN.
std::vector<float> through_codec(std::vector<float> values, lhCodec_t codec) {
  if (codec == lhCodecNone || values.empty()) return values;
  std::vector<float> decoded(values.size(), 0);
  const bool i8 = codec == lhCodecI8;
  std::vector<std::byte> blob(i8 ? kernels::reference::i8_bytes(values.size()) : kernels::reference::bf16_bytes(values.size()));
  if (i8) {
    kernels::reference::i8_encode(values.data(), values.size(), blob.data());
    kernels::reference::i8_decode_add(blob.data(), values.size(), true, decoded.data());
  } else {
    kernels::reference::bf16_encode(values.data(), values.size(), blob.data());
    kernels::reference::bf16_decode_add(blob.data(), values.size(), true, decoded.data());
  }
  return decoded;
}
std::vector<std::int64_t> through_codec(std::vector<std::int64_t> values, lhCodec_t) { return values; }

template <typename T>
std::vector<T> reduce_members(const plan::Topology& topology, const plan::Call& call, const std::vector<Buffer>& sends,
                              int rail) {
  std::vector<std::vector<T>> sites;
  for (int site = 0; site < topology.sites(); ++site) {
    std::vector<std::vector<T>> members;
    for (int i = 0; i < topology.size_of(site); ++i)
      if (rail < 0 || i == rail) members.push_back(values_of<T>(sends[static_cast<std::size_t>(topology.rank(site, i))]));
    std::vector<T> sum = fold(members, call.op);
    sites.push_back(topology.sites() > 1 ? through_codec(std::move(sum), call.codec) : sum);
  }
  std::vector<T> result = fold(sites, call.op);
  const int divisor = rail < 0 ? topology.ranks() : topology.sites();
  if (call.op == lhAvg)
    for (T& value : result) value = value / static_cast<T>(divisor);
  return result;
}

template <typename T>
std::vector<Buffer> expected_reduction(const plan::Topology& topology, const plan::Call& call,
                                       const std::vector<Buffer>& sends) {
  std::vector<Buffer> results;
  for (int rank = 0; rank < topology.ranks(); ++rank) {
    const int rail = call.scope == lhScopeRail ? topology.site_rank_of(rank) : -1;
    std::vector<T> all = reduce_members<T>(topology, call, sends, rail);
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

std::vector<Buffer> expected(const plan::Topology& topology, const plan::Call& call, const std::vector<Buffer>& sends) {
  if (call.collective == Collective::Broadcast)
    return std::vector<Buffer>(sends.size(), sends[static_cast<std::size_t>(call.root)]);
  if (call.collective == Collective::AllGather) {
    Buffer all;
    for (const Buffer& one : sends) all.insert(all.end(), one.begin(), one.end());
    return std::vector<Buffer>(sends.size(), all);
  }
  return call.type == lhInt64 ? expected_reduction<std::int64_t>(topology, call, sends)
                              : expected_reduction<float>(topology, call, sends);
}

}  // namespace longhaul::sim
