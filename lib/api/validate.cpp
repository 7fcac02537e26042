// SPDX-License-Identifier: Apache-2.0
#include "api/validate.h"

#include <limits>

#include "codec/codec.h"
#include "kernels/reduce.h"

namespace longhaul::api {
namespace {

Status check_config(const lhCallConfig_t& config, const plan::Topology& topology, const codec::Plugins& plugins) {
  if (config.magic != LH_CALL_CONFIG_MAGIC || config.size < sizeof(lhCallConfig_t))
    return error(lhInvalidArgument, "the call configuration is not initialised: start from LH_CALL_CONFIG_INITIALIZER");
  if (config.codec >= codec::kFirstPlugin && config.codec < codec::kFirstPlugin + codec::kMostPlugins) {
    if (!plugins.find(config.codec))
      return error(lhInvalidArgument, "codec {} is no plug-in of this communicator: lhCommRegisterCodec tells the number", static_cast<int>(config.codec));
  } else if (config.codec < lhCodecDefault || config.codec > lhCodecLossless) {
    return error(lhInvalidArgument, "codec {} does not exist", static_cast<int>(config.codec));
  }
  if (config.scope < lhScopeDefault || config.scope > lhScopeRail)
    return error(lhInvalidArgument, "scope {} does not exist", static_cast<int>(config.scope));
  if (config.errorFeedback != 0 && config.errorFeedback != 1) return error(lhInvalidArgument, "errorFeedback is {}: 0 or 1", config.errorFeedback);
  if (config.errorFeedback != 0 && config.tag == 0)
    return error(lhInvalidArgument, "errorFeedback needs a tag: a number other than 0 that names this bucket in every step");
  if (config.scope == lhScopeRail && !topology.equal_sizes())
    return error(lhInvalidUsage, "the rail scope needs sites of equal size");
  return {};
}

Status check_buffer(const char* name, const void* buffer, std::size_t bytes, lhDataType_t type) {
  if (bytes == 0) return {};
  if (!buffer) return error(lhInvalidArgument, "{} is NULL although count is not 0", name);
  if (reinterpret_cast<std::uintptr_t>(buffer) % kernels::size_of(type) != 0)
    return error(lhInvalidArgument, "{} is not aligned to the {} bytes of its data type", name, kernels::size_of(type));
  return {};
}

/// Device memory for a device communicator, and host memory for the others.
Status check_memory(const lhComm& comm, const Arguments& a, bool sends, bool receives) {
  if (comm.gpu) {
    Status status = sends ? comm.gpu->check_pointer("send", a.send) : Status();
    return status.ok() && receives ? comm.gpu->check_pointer("recv", a.recv) : status;
  }
  const auto cuda = sends || receives ? comm.cuda_beside() : nullptr;
  if (!cuda) return {};
  Status status = device::check_host_pointer(*cuda, "send", a.send);
  return status.ok() ? device::check_host_pointer(*cuda, "recv", a.recv) : status;
}

/// Overlap other than the in-place form would be read after it was overwritten.
Status check_overlap(const Arguments& a, std::size_t send_bytes, std::size_t recv_bytes, std::size_t in_place_offset) {
  const auto send = reinterpret_cast<std::uintptr_t>(a.send);
  const auto recv = reinterpret_cast<std::uintptr_t>(a.recv);
  if (send_bytes == 0 || recv_bytes == 0 || !a.send) return {};
  if (send >= recv + recv_bytes || recv >= send + send_bytes) return {};
  const bool gather = a.collective == plan::Collective::AllGather;
  const bool in_place = gather ? send == recv + in_place_offset : recv == send + in_place_offset;
  if (in_place) return {};
  return error(lhInvalidArgument, "send and recv overlap, but not in the in-place form of this call");
}

/// api rule 13: loss only for float sums; the configured codec only for all-reduces of some size.
lhCodec_t effective_codec(const Arguments& a, const config::Wan& wan, std::size_t bytes) {
  const lhCodec_t named = a.config ? a.config->codec : lhCodecDefault;
  const bool lossy_allowed = a.collective == plan::Collective::AllReduce && kernels::is_codec_float(a.type) &&
                             (a.op == lhSum || a.op == lhAvg);
  if (!lossy_allowed) return lhCodecNone;
  const lhCodec_t codec = named != lhCodecDefault ? named : bytes >= wan.min_compress_bytes ? wan.codec : lhCodecNone;
  // fp16 values widened to fp32 take more bytes than they gain, and uncompressed they are exact, too.
  return codec == lhCodecLossless && a.type == lhFloat16 ? lhCodecNone : codec;
}

}  // namespace

Status prepare(const lhComm& comm, const Arguments& a, engine::Request* request) {
  const plan::Topology& topology = comm.members.topology;
  const std::size_t element = kernels::size_of(a.type);
  if (element == 0) return error(lhInvalidArgument, "data type {} does not exist", static_cast<int>(a.type));
  if (a.op < lhSum || a.op > lhAvg) return error(lhInvalidArgument, "reduction {} does not exist", static_cast<int>(a.op));
  if (a.stream && !comm.gpu) return error(lhInvalidArgument, "a host communicator takes no stream: pass NULL");
  if (a.root < 0 || a.root >= topology.ranks())
    return error(lhInvalidArgument, "root {} is not a rank: there are {}", a.root, topology.ranks());
  const auto ranks = static_cast<std::size_t>(topology.ranks());
  if (a.count > std::numeric_limits<std::size_t>::max() / 2 / element / ranks)
    return error(lhInvalidArgument, "count {} is larger than any memory", a.count);
  if (a.config)
    if (Status status = check_config(*a.config, topology, comm.plugins); !status.ok()) return status;

  const bool scatter = a.collective == plan::Collective::ReduceScatter, gather = a.collective == plan::Collective::AllGather;
  const bool reads = a.collective != plan::Collective::Broadcast || a.root == comm.members.rank;
  const std::size_t bytes = a.count * element;
  const std::size_t send_bytes = !reads ? 0 : scatter ? bytes * ranks : bytes;
  const std::size_t recv_bytes = gather ? bytes * ranks : bytes;
  if (Status status = check_buffer("send", a.send, send_bytes, a.type); !status.ok()) return status;
  if (Status status = check_buffer("recv", a.recv, recv_bytes, a.type); !status.ok()) return status;
  const std::size_t own = scatter || gather ? static_cast<std::size_t>(comm.members.rank) * bytes : 0;
  if (Status status = check_overlap(a, send_bytes, recv_bytes, own); !status.ok()) return status;

  if (Status status = check_memory(comm, a, send_bytes > 0, recv_bytes > 0); !status.ok()) return status;

  const bool rail = a.config && a.config->scope == lhScopeRail;
  request->call = {.collective = a.collective,
                   .type = a.type,
                   .op = a.op,
                   .codec = effective_codec(a, comm.wan, bytes),
                   .scope = rail ? lhScopeRail : lhScopeGlobal,
                   .root = a.root,
                   .count = a.count};
  if (codec::Plugin* plugin = comm.plugins.find(request->call.codec)) {
    request->plugin = &plugin->codec();
    request->call.plugin = plugin->digest();
  }
  request->send = static_cast<const std::byte*>(a.send);
  request->recv = static_cast<std::byte*>(a.recv);
  const unsigned timeout_ms = a.config ? a.config->timeoutMs : 0;
  request->deadline = steady_now() + (timeout_ms ? timeout_ms * kMillisecond : comm.wan.timeout_ns);
  // Last: a request that has a state must be submitted.
  if (a.config && a.config->errorFeedback != 0) return comm.runner->engine().use_feedback(request, a.config->tag);
  return {};
}

}  // namespace longhaul::api
