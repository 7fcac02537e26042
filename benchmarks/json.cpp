// SPDX-License-Identifier: Apache-2.0
// The result file: keys of nccl-tests' JSON, then ours. `algbw` and `busbw` repeat `alg_bw` and `bus_bw` under the
// names of the table.
#include <string_view>

#include <fmt/format.h>

#include "benchmarks/machine.h"
#include "benchmarks/report.h"
#include "benchmarks/types.h"

namespace longhaul::perf {
namespace {

using Json = nlohmann::ordered_json;

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json half_json(const Half& half) {
  return {{"time", half.time_us.median},   {"alg_bw", half.algbw},        {"bus_bw", half.busbw},
          {"nwrong", or_null(half.wrong)}, {"algbw", half.algbw},         {"busbw", half.busbw},
          {"time_min", half.time_us.min},  {"time_p99", half.time_us.p99}, {"digest", half.wrong ? Json(fmt::format("{:016x}", half.digest)) : Json(nullptr)}};
}

Json flat_json(const FlatNcclRow& flat) {
  Json json{{"out_of_place", half_json(flat.out_of_place)}, {"in_place", half_json(flat.in_place)}, {"time_ratio", flat.time_ratio}};
  for (const char* half : {"out_of_place", "in_place"}) json[half].erase("digest");  // its sums are rounded in another order
  return json;
}

Json row_json(const Row& row) {
  Json json{{"size", row.size}, {"count", row.count}, {"type", row.type}, {"redop", row.op}, {"codec", row.codec}};
  json["out_of_place"] = half_json(row.out_of_place);
  json["in_place"] = half_json(row.in_place);
  json["wire_bytes"] = row.wire_bytes;
  json["ratio"] = or_null(row.ratio);
  json["wan_gbps"] = row.wan_gbps;
  json["link_percent"] = or_null(row.link_percent);
  json["max_err"] = or_null(row.max_error);
  json["limit_ms"] = or_null(row.limit_ms);
  json["of_limit"] = or_null(row.of_limit);
  json["cpu_s"] = row.cpu_s;
  json["cpu_s_per_gb"] = or_null(row.cpu_s_per_gb);
  json["peak_memory_bytes"] = row.peak_memory_bytes;
  json["time_min"] = row.out_of_place.time_us.min;
  json["time_p99"] = row.out_of_place.time_us.p99;
  if (row.gpu) {
    json["gpu"] = {{"reduce_scatter_ms", row.gpu->reduce_scatter_ms}, {"encode_ms", row.gpu->encode_ms},   {"decode_ms", row.gpu->decode_ms},
                   {"all_gather_ms", row.gpu->all_gather_ms},         {"limit", row.gpu->limit},           {"limit_share", row.gpu->share}};
  }
  if (row.flat_nccl) json["flat_nccl"] = flat_json(*row.flat_nccl);
  if (!row.notes.empty()) json["notes"] = row.notes;
  return json;
}

Json config_json(const Options& options, const RunInfo& run) {
  Json json{{"minimum_bytes", options.min_bytes},
            {"maximum_bytes", options.max_bytes},
            {"step_factor", options.step_factor},
            {"step_bytes", options.step_bytes},
            {"iterations", options.iterations},
            {"warmup_iterations", options.warmup},
            {"pause_s", options.pause_s},
            {"average", options.across},
            {"validation_checks", options.checks},
            {"baseline", options.flat_nccl ? Json("nccl") : Json(nullptr)},
            {"mode", run.mode},
            {"sites", run.sites},
            {"ranks", run.ranks.size()}};
  const auto milliseconds = [](double seconds) { return seconds * 1e3; };
  const std::optional<double> rtt =
      options.link.rtt_s ? std::optional(milliseconds(*options.link.rtt_s)) : std::nullopt;
  json["wan"] = wan_text(options.wan);
  json["link"] = {{"bits_per_s", or_null(options.link.bits_per_s)},
                  {"rtt_ms", or_null(rtt)},
                  {"emulated", options.link_is_emulated},
                  {"tcp_payload_share", kTcpPayloadShare}};
  Json devices = Json::array();
  for (std::size_t i = 0; i < run.ranks.size(); ++i) {
    const RankInfo& rank = run.ranks[i];
    devices.push_back({{"rank", i},
                       {"site", rank.site},
                       {"site_rank", rank.site_rank},
                       {"pid", rank.pid},
                       {"hostname", rank.host.data()},
                       {"gpu", rank.device < 0 ? Json(nullptr) : Json(rank.device)}});
  }
  json["devices"] = devices;
  return json;
}

bool is_public(std::string_view variable) {
  const std::string_view name = variable.substr(0, variable.find('='));
  const bool ours = name.starts_with("LONGHAUL_") || name.starts_with("UCX_");
  for (const std::string_view word : {"SECRET", "KEY", "PASSWORD", "TOKEN"}) {
    if (name.find(word) != std::string_view::npos) return false;
  }
  return ours;
}

}  // namespace

std::vector<std::string> public_environment(const char* const* environment) {
  std::vector<std::string> list;
  for (; environment && *environment; ++environment) {
    if (is_public(*environment)) list.emplace_back(*environment);
  }
  return list;
}

nlohmann::ordered_json report_json(const Options& options, const RunInfo& run, const std::vector<Row>& rows,
                                   const std::string& error) {
  Json json{{"version", LH_VERSION_CODE}, {"longhaul_version", run.version}, {"cmdline", options.command_line}};
  json["env"] = public_environment(process_environment());
  json["machine"] = machine_json();
  json["config"] = config_json(options, run);
  json["results"] = Json::array();
  for (const Row& row : rows) json["results"].push_back(row_json(row));
  const Totals sum = totals(rows);
  json["out_of_bounds"] = {{"count", sum.wrong}, {"okay", sum.wrong == 0}};
  json["average_bus_bandwidth"] = {{"bandwidth", sum.average_busbw}, {"okay", "unchecked"}};
  json["complete"] = error.empty();
  if (!error.empty()) json["error"] = error;
  return json;
}

}  // namespace longhaul::perf
