// SPDX-License-Identifier: Apache-2.0
#include "engine/describe.h"

#include <fmt/format.h>

#include <array>

#include "codec/codec.h"

namespace longhaul::engine {
namespace {

template <std::size_t N>
const char* name(const std::array<const char*, N>& names, std::size_t index) {
  return index < N ? names[index] : "?";
}

constexpr std::array kTypes = {"int8",   "uint8",   "int32",   "uint32",  "int64",
                               "uint64", "float16", "float32", "float64", "bfloat16"};
constexpr std::array kOps = {"sum", "prod", "max", "min", "avg"};
constexpr std::array kFunctions = {"?",           "lhAllReduce", "lhReduceScatter", "lhAllGather",
                                   "lhBroadcast", "lhBarrier",   "lhCommFinalize"};

}  // namespace

const char* function_name(std::uint8_t collective) { return name(kFunctions, collective); }

std::string describe(const wire::Announcement& a) {
  const auto collective = static_cast<plan::Collective>(a.collective);
  std::string text = function_name(a.collective);
  if (collective == plan::Collective::Barrier || collective == plan::Collective::Finalize) return text + "()";
  text += fmt::format("(count={}, {}", a.count, name(kTypes, a.type));
  const bool reduces = collective == plan::Collective::AllReduce || collective == plan::Collective::ReduceScatter;
  if (reduces) text += fmt::format(", {}", name(kOps, a.op));
  if (collective == plan::Collective::Broadcast) text += fmt::format(", root={}", a.root);
  const bool known = a.codec <= lhCodecLossless;
  if (a.plugin != 0)
    text += fmt::format(", plug-in codec {} ({:08x})", a.codec, a.plugin);
  else if (a.codec != lhCodecNone)
    text += fmt::format(", codec {}", known ? codec::name_of(static_cast<lhCodec_t>(a.codec)) : "?");
  if (a.scope == lhScopeRail) text += ", rail scope";
  return text + ")";
}

wire::Announcement announcement_of(const plan::Call& call) {
  return {.collective = static_cast<std::uint8_t>(call.collective),
          .type = static_cast<std::uint8_t>(call.type),
          .op = static_cast<std::uint8_t>(call.op),
          .codec = static_cast<std::uint8_t>(call.codec),
          .scope = static_cast<std::uint8_t>(call.scope),
          .root = static_cast<std::uint32_t>(call.root),
          .count = call.count,
          .plugin = call.plugin,
          .number = call.number};
}

}  // namespace longhaul::engine
