// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/measure.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <thread>

#include "benchmarks/failure.h"
#include "benchmarks/machine.h"
#include "benchmarks/process.h"
#include "benchmarks/types.h"

namespace longhaul::perf {
namespace {

using Clock = std::chrono::steady_clock;

// The codecs to verify against and the one to compute L from.
std::vector<lhCodec_t> possible_codecs(const Case& row, double wire, double resent) {
  if (row.codec != lhCodecDefault) return {row.codec};
  std::vector<lhCodec_t> codecs = codecs_explaining(wire, resent, row.type, row.op, row.count);
  if (codecs.empty()) codecs.push_back(lhCodecNone);  // nothing explains it: held to the strictest bound
  return codecs;
}

}  // namespace

Bench::Bench(const Options& options, lhComm_t comm, Team* team, Progress* progress)
    : options_(options), comm_(comm), team_(team), progress_(progress) {
  RankInfo mine;
  require(lhCommSite(comm, &mine.site), comm, "lhCommSite");
  require(lhCommSiteRank(comm, &mine.site_rank), comm, "lhCommSiteRank");
  require(lhCommSiteCount(comm, &sites_), comm, "lhCommSiteCount");
  mine.pid = static_cast<int>(getpid());
  const std::string host = host_name();
  std::copy_n(host.begin(), std::min(host.size(), mine.host.size() - 1), mine.host.begin());
  require(lhCommCuDevice(comm, &mine.device), comm, "lhCommCuDevice");
  ranks_ = gather(*team, mine);
  send_.resize(options.max_bytes);
  receive_.resize(options.max_bytes);
  if (mine.device >= 0) device_ = std::make_unique<DeviceBuffers>(mine.device, options.max_bytes);
  if (options.flat_nccl) flat_nccl_ = std::make_unique<FlatNccl>(*device_, team);
}

RunInfo Bench::describe(std::string mode) const {
  RunInfo run{.version = 0, .mode = std::move(mode), .sites = sites_, .ranks = ranks_};
  require(lhGetVersion(&run.version), nullptr, "lhGetVersion");
  return run;
}

Row Bench::measure(const Case& row) {
  Row out;
  out.size = row.count * type_size(row.type);
  out.count = row.count;
  out.type = type_name(row.type);
  out.op = op_name(row.op);
  out.codec = codec_name(row.codec);
  if (progress_) progress_->begin_row(fmt::format("{} B {} {} {}", out.size, out.type, out.op, out.codec));
  double error = 0, reference = 0;
  out.out_of_place = half(row, false, &out, &error, &reference);
  out.in_place = half(row, true, &out, &error, &reference);
  if (options_.checks > 0) out.max_error = reference > 0 ? error / reference : error;
  return out;
}

Half Bench::half(const Case& row, bool in_place, Row* out, double* error, double* reference) {
  const Timed timed = time_calls(row, problem_of(row, 0), in_place);
  Half half;
  half.time_us = timed.times_us;
  half.algbw = algorithm_bandwidth(static_cast<double>(out->size), half.time_us.median);
  half.busbw = bus_bandwidth(half.algbw, team_->size());
  if (!in_place) {
    out->out_of_place = half;
    fill_wan_columns(row, timed.wire, out);
    fill_cost_columns(timed, out);
    out->gpu = slowest_phases(timed.gpu, half.time_us.median / 1e3, out->link_percent);
  }
  if (flat_nccl_) {
    if (!out->flat_nccl) out->flat_nccl.emplace();
    Half& flat = in_place ? out->flat_nccl->in_place : out->flat_nccl->out_of_place;
    flat = baseline_half(row, timed, in_place, &out->notes);
    if (!in_place && half.time_us.median > 0) out->flat_nccl->time_ratio = flat.time_us.median / half.time_us.median;
  }
  if (options_.checks == 0) return half;
  const std::vector<lhCodec_t> codecs = possible_codecs(row, timed.wire.bytes, timed.wire.resent);
  const Checked checked = check_calls(row, in_place, codecs, &out->notes);
  half.wrong = checked.wrong + check_wire(row, timed.wire, in_place, &out->notes);
  half.digest = checked.digest;
  *error = std::max(*error, checked.max_error);
  *reference = std::max(*reference, checked.max_reference);
  return half;
}

Bench::Timed Bench::time_calls(const Case& row, const Problem& problem, bool in_place) {
  const std::span<std::byte> input = bytes_of(&send_, row);
  fill(problem, team_->rank(), input);
  std::vector<double> mine, baseline;
  lhStats_t before = stats();
  double cpu = 0;
  for (int i = -options_.warmup; i < options_.iterations; ++i) {
    // Fresh input each time: summing sums would overflow, and change what a codec does.
    if (in_place && !input.empty()) std::memcpy(receive_.data(), input.data(), input.size());
    if (in_place || i == -options_.warmup) put(input, in_place);
    team_->barrier();
    if (i == 0) {
      before = stats();
      cpu = cpu_seconds();
    }
    // After the barrier, which would warm the connections; ranks wake as far apart as it left them.
    if (i >= 0 && options_.pause_s > 0) std::this_thread::sleep_for(std::chrono::duration<double>(options_.pause_s));
    const Clock::time_point start = Clock::now();
    call(row, in_place);
    const Clock::time_point end = Clock::now();
    if (i >= 0) mine.push_back(std::chrono::duration<double, std::micro>(end - start).count());
    if (progress_)
      progress_->call_done(input.size(), i + options_.warmup + 1, options_.warmup + options_.iterations, end);
    if (!flat_nccl_) continue;
    const Turn turn = baseline_turn(row, input, in_place);
    if (i < 0) continue;
    baseline.push_back(turn.us);
    cpu += turn.cpu_s;  // taken off by what follows
  }
  team_->barrier();  // a rank is done when it has received everything; now everything has also been sent
  cpu = cpu_seconds() - cpu;
  Timed timed;
  const lhStats_t after = stats();
  timed.wire = wire_between(before, after);
  timed.gpu = gather_phases(phases_between(before, after, options_.iterations));
  timed.cpu_s = sum_over_processes(cpu);
  timed.times_us = across(mine);
  if (flat_nccl_) timed.baseline_us = across(baseline);
  return timed;
}

Times Bench::across(const std::vector<double>& mine) const {
  std::vector<double> all(mine.size() * static_cast<std::size_t>(team_->size()));
  team_->all_gather(mine.data(), all.data(), mine.size() * sizeof(double));
  return summarise(across_ranks(all, mine.size(), static_cast<Across>(options_.across)));
}

Bench::Wire Bench::wire_between(const lhStats_t& before, const lhStats_t& after) const {
  struct Delta {
    std::uint64_t sent, resent;
  };
  const Delta mine{after.wanBytesSent - before.wanBytesSent, after.resentBytes - before.resentBytes};
  const std::vector<Delta> all = gather(*team_, mine);
  Wire wire;
  wire.by_site.resize(static_cast<std::size_t>(sites_));
  wire.resent_by_site.resize(static_cast<std::size_t>(sites_));
  if (sites_ < 2) return wire;
  const double per_link = 1.0 / (options_.iterations * static_cast<double>(sites_ - 1));
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    const auto site = static_cast<std::size_t>(ranks_[rank].site);
    wire.by_site[site] += static_cast<double>(all[rank].sent) * per_link;
    wire.resent_by_site[site] += static_cast<double>(all[rank].resent) * per_link;
    wire.total += static_cast<double>(all[rank].sent);
  }
  wire.bytes = *std::max_element(wire.by_site.begin(), wire.by_site.end());
  wire.resent = *std::max_element(wire.resent_by_site.begin(), wire.resent_by_site.end());
  return wire;
}

void Bench::fill_wan_columns(const Case& row, const Wire& wire, Row* out) const {
  const double microseconds = out->out_of_place.time_us.median;
  out->wire_bytes = wire.bytes;
  if (wire.bytes > 0) out->ratio = static_cast<double>(out->size) / wire.bytes;
  if (microseconds > 0) out->wan_gbps = wire.bytes * 8e-3 / microseconds;
  if (options_.link.bits_per_s) out->link_percent = 100 * out->wan_gbps * 1e9 / *options_.link.bits_per_s;
  const lhCodec_t codec = possible_codecs(row, wire.bytes, wire.resent).front();
  if (row.codec == lhCodecDefault && codec != lhCodecNone) out->codec = "def:" + std::string(codec_name(codec));
  if (sites_ < 2) return;
  // What lossless makes of this data is known only from what it sent.
  const double payload = codec == lhCodecLossless ? wire.bytes : encoded_bytes(codec, row.type, row.count).least;
  const auto limit = limit_seconds(payload, options_.link);
  if (!limit) return;
  out->limit_ms = *limit * 1e3;
  if (microseconds > 0) out->of_limit = *limit * 1e6 / microseconds;
}

std::vector<GpuPhases> Bench::gather_phases(const GpuPhases& mine) const {
  std::vector<GpuPhases> all;
  for (const auto& one : gather(*team_, std::array{mine.reduce_scatter_ms, mine.encode_ms, mine.decode_ms, mine.all_gather_ms}))
    all.push_back({.reduce_scatter_ms = one[0], .encode_ms = one[1], .decode_ms = one[2], .all_gather_ms = one[3], .limit = {}});
  return all;
}

// The kernel counts by process, and several ranks may be threads of one.
double Bench::sum_over_processes(double mine) const {
  const std::vector<double> all = gather(*team_, mine);
  double sum = 0;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    const RankInfo& one = ranks_[rank];
    const auto sharing = std::count_if(ranks_.begin(), ranks_.end(),
                                       [&](const RankInfo& other) { return other.pid == one.pid && other.host == one.host; });
    sum += all[rank] / static_cast<double>(sharing);
  }
  return sum;
}

void Bench::fill_cost_columns(const Timed& timed, Row* out) const {
  out->cpu_s = timed.cpu_s;
  if (timed.wire.total > 0) out->cpu_s_per_gb = timed.cpu_s / timed.wire.total * 1e9;
  const std::vector<std::uint64_t> memory = gather(*team_, stats().peakMemoryBytes);
  out->peak_memory_bytes = *std::max_element(memory.begin(), memory.end());
}

void Bench::call(const Case& row, bool in_place) {
  lhCallConfig_t config = LH_CALL_CONFIG_INITIALIZER;
  config.codec = row.codec;
  if (device_) {
    lhRequest_t request = nullptr;
    const void* const input = in_place ? device_->receive() : device_->send();
    require(lhAllReduceEx(input, device_->receive(), row.count, row.type, row.op, &config, comm_, device_->stream(), &request), comm_,
            "lhAllReduceEx");
    return require(lhRequestWait(request), comm_, "lhRequestWait");
  }
  const void* const input = in_place ? receive_.data() : send_.data();
  require(lhAllReduceEx(input, receive_.data(), row.count, row.type, row.op, &config, comm_, nullptr, nullptr), comm_,
          "lhAllReduceEx");
}

/// Brings a call's input to where the call takes it from.
void Bench::put(std::span<const std::byte> input, bool in_place) {
  if (device_) device_->put(in_place ? device_->receive() : device_->send(), input);
}

/// Brings back what a call made, and its input.
void Bench::get(std::span<std::byte> result, std::span<std::byte> input) {
  if (!device_) return;
  device_->get(result, device_->receive());
  device_->get(input, device_->send());
}

lhStats_t Bench::stats() const {
  lhStats_t stats = LH_STATS_INITIALIZER;
  require(lhCommGetStats(comm_, &stats), comm_, "lhCommGetStats");
  return stats;
}

std::span<std::byte> Bench::bytes_of(std::vector<std::byte>* buffer, const Case& row) const {
  return std::span(*buffer).first(row.count * type_size(row.type));
}

Problem Bench::problem_of(const Case& row, std::uint64_t iteration) const {
  Problem problem{.type = row.type, .op = row.op, .iteration = iteration, .site_of_rank = {}, .sites = sites_, .sums_in_type = device_ != nullptr};
  for (const RankInfo& rank : ranks_) problem.site_of_rank.push_back(rank.site);
  return problem;
}

}  // namespace longhaul::perf
