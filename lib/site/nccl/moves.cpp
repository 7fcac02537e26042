// SPDX-License-Identifier: Apache-2.0
#include "site/nccl/moves.h"

#include <algorithm>

#include "kernels/reduce.h"

namespace longhaul::site {
namespace {

Range chunk_of(const ChunkTask& task) { return {task.parts.front().begin, task.parts.back().end}; }

bool equal_parts(const ChunkTask& task) {
  const auto same = [&](const Range& part) { return part.count() == task.parts.front().count(); };
  return !task.parts.front().empty() && std::all_of(task.parts.begin(), task.parts.end(), same);
}

bool everybody_wants(const ChunkTask& task) {
  const Range chunk = chunk_of(task);
  return std::all_of(task.wants.begin(), task.wants.end(), [&](const Range& want) { return want.contains(chunk); });
}

lhRedOp_t in_site(lhRedOp_t op) { return op == lhAvg ? lhSum : op; }  // divided once, at the end

/// One NCCL group: whatever happens inside, it is closed.
template <typename Calls>
bool grouped(NcclComm* comm, Calls calls) {
  if (!comm->group_start()) return false;
  const bool made = calls();
  return comm->group_end() && made;
}

/// Reduces parts of different sizes, each to its owner.
bool reduce_parts(const DeviceTask& t, NcclComm* comm, const device::Stream& stream, std::byte* on_device) {
  return grouped(comm, [&] {
    bool ok = true;
    for (int owner = 0; ok && owner < t.ranks(); ++owner) {
      const Range& part = t.task.parts[static_cast<std::size_t>(owner)];
      if (part.empty()) continue;
      const std::byte* from = t.task.send + t.bytes(part.begin - t.contribution().begin);
      ok = comm->accept(comm->api().reduce(from, owner == t.rank ? on_device : nullptr, part.count(), t.task.type, in_site(t.task.op), owner,
                                           comm->get(), stream.get()),
                        "ncclReduce");
    }
    return ok;
  });
}

/// What a rank holds, as elements of the whole buffer, and where that is.
struct Held {
  Range range;
  const std::byte* memory;
};

/// Every rank sends to every other the common elements of what it holds and what that one takes. gives[i], takes[i]: of rank i.
bool exchange(const DeviceTask& t, NcclComm* comm, const device::Stream& stream, std::span<const Range> gives, std::span<const Range> takes,
              const Held& mine, Held into, Status* trouble) {
  const auto own = static_cast<std::size_t>(t.rank);
  const auto at = [&](const Held& held, std::uint64_t element) { return held.memory + t.bytes(element - held.range.begin); };
  const auto place = [&](std::uint64_t element) { return const_cast<std::byte*>(at(into, element)); };
  if (const Range kept = intersect(gives[own], takes[own]); !kept.empty() && at(mine, kept.begin) != place(kept.begin)) {
    *trouble = stream.copy(place(kept.begin), at(mine, kept.begin), t.bytes(kept.count()));
    if (!trouble->ok()) return false;
  }
  return grouped(comm, [&] {
    bool ok = true;
    for (std::size_t peer = 0; ok && peer < gives.size(); ++peer) {
      if (peer == own) continue;
      const Range out = intersect(gives[own], takes[peer]), in = intersect(gives[peer], takes[own]);
      const int rank = static_cast<int>(peer);
      if (!out.empty())
        ok = comm->accept(comm->api().send(at(mine, out.begin), out.count(), t.task.type, rank, comm->get(), stream.get()), "ncclSend");
      if (ok && !in.empty())
        ok = comm->accept(comm->api().recv(place(in.begin), in.count(), t.task.type, rank, comm->get(), stream.get()), "ncclRecv");
    }
    return ok;
  });
}

}  // namespace

std::size_t DeviceTask::bytes(std::uint64_t elements) const { return static_cast<std::size_t>(elements) * kernels::size_of(task.type); }

const std::byte* collected_at(const DeviceTask& task, std::byte* on_device) {
  return task.ranks() == 1 ? task.task.send + task.bytes(task.part().begin - task.contribution().begin) : on_device;
}

std::byte* delivered_at(const DeviceTask& task, std::byte* on_device) {
  const bool whole = !task.part().empty() && task.want().contains(task.part());
  return whole ? task.recv + task.bytes(task.part().begin - task.want().begin) : on_device;
}

bool collect(const DeviceTask& t, NcclComm* comm, const device::Stream& stream, std::byte* on_device, Status* trouble) {
  if (t.ranks() == 1) return true;
  if (!t.task.reduce)
    return exchange(t, comm, stream, t.task.contributions, t.task.parts, {t.contribution(), t.task.send}, {t.part(), on_device}, trouble);
  if (!equal_parts(t.task)) return reduce_parts(t, comm, stream, on_device);
  const std::byte* from = t.task.send + t.bytes(chunk_of(t.task).begin - t.contribution().begin);
  return comm->accept(comm->api().reduce_scatter(from, on_device, t.part().count(), t.task.type, in_site(t.task.op), comm->get(), stream.get()),
                      "ncclReduceScatter");
}

bool distribute(const DeviceTask& t, NcclComm* comm, const device::Stream& stream, std::byte* on_device, Status* trouble) {
  const std::byte* mine = delivered_at(t, on_device);
  if (t.ranks() == 1) {
    const Range kept = intersect(t.part(), t.want());
    std::byte* place = t.recv + t.bytes(kept.begin - t.want().begin);
    const std::byte* from = mine + t.bytes(kept.begin - t.part().begin);
    if (!kept.empty() && place != from) *trouble = stream.copy(place, from, t.bytes(kept.count()));
    return trouble->ok();
  }
  if (!equal_parts(t.task) || !everybody_wants(t.task))
    return exchange(t, comm, stream, t.task.parts, t.task.wants, {t.part(), mine}, {t.want(), t.recv}, trouble);
  std::byte* chunk = t.recv + t.bytes(chunk_of(t.task).begin - t.want().begin);
  return comm->accept(comm->api().all_gather(mine, chunk, t.part().count(), t.task.type, comm->get(), stream.get()), "ncclAllGather");
}

}  // namespace longhaul::site
