// SPDX-License-Identifier: Apache-2.0
#include "api/nccl_exchange.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

namespace longhaul::api {
namespace {

constexpr std::uint64_t kLargest = 1 << 20;

Status late() { return error(lhTimeout, "not all ranks of the NCCL communicator have called lhCommInitNccl"); }

void nap() { std::this_thread::sleep_for(std::chrono::microseconds(100)); }

}  // namespace

/// The caller's communicator may be non-blocking.
Status NcclExchange::wait_for_call(device::NcclResult result, TimeNs deadline) const {
  while (result == device::kNcclInProgress) {
    if (steady_now() >= deadline) return late();
    nap();
    if (const auto asked = nccl_->async_error(site_, &result); asked != device::kNcclSuccess) result = asked;
  }
  if (result == device::kNcclSuccess) return {};
  return error(lhSystemError, "ncclAllGather on the communicator given to lhCommInitNccl: {}", nccl_->error_string(result));
}

Result<std::vector<std::byte>> NcclExchange::gather(ConstBytes mine, TimeNs deadline) {
  const device::Current current(*gpu_);
  if (!current.status().ok()) return current.status();
  auto stream = device::Stream::make(gpu_);
  if (!stream.ok()) return stream.take_status();
  auto pinned = device::Pinned::make(gpu_, (ranks_ + 1) * mine.size());
  if (!pinned.ok()) return pinned.take_status();
  auto memory = device::Memory::make(gpu_, (ranks_ + 1) * mine.size());
  if (!memory.ok()) return memory.take_status();
  std::memcpy(pinned->get(), mine.data(), mine.size());
  Status status = stream->copy(memory->get(), pinned->get(), mine.size());
  if (status.ok())
    status = wait_for_call(nccl_->all_gather(memory->get(), memory->get() + mine.size(), mine.size(), lhUint8, site_, stream->get()), deadline);
  if (status.ok()) status = stream->copy(pinned->get() + mine.size(), memory->get() + mine.size(), ranks_ * mine.size());
  auto idle = stream->idle();
  while (status.ok() && idle.ok() && !*idle && steady_now() < deadline) {
    nap();
    idle = stream->idle();
  }
  if (idle.ok() && *idle && status.ok()) {
    const std::byte* all = pinned->get() + mine.size();
    return std::vector<std::byte>(all, all + ranks_ * mine.size());
  }
  // A kernel that still waits for the others would write to memory that is somebody else's by then.
  pinned->abandon();
  memory->abandon();
  return !status.ok() ? status : !idle.ok() ? idle.take_status() : late();
}

Result<std::vector<std::vector<std::byte>>> NcclExchange::all_gather(ConstBytes mine, TimeNs deadline) {
  std::array<std::byte, 8> size_bytes;
  ByteWriter(size_bytes).u64(mine.size());
  auto sizes = gather(size_bytes, deadline);
  if (!sizes.ok()) return sizes.take_status();
  std::vector<std::uint64_t> size_of;
  for (std::size_t rank = 0; rank < ranks_; ++rank) {
    ByteReader reader(ConstBytes(*sizes).subspan(8 * rank, 8));
    size_of.push_back(reader.u64());
    if (size_of.back() > kLargest) return error(lhInternalError, "rank {} of the site offers {} bytes to the bring-up", rank, size_of.back());
  }
  const std::size_t largest = static_cast<std::size_t>(*std::max_element(size_of.begin(), size_of.end()));
  std::vector<std::byte> padded(std::max<std::size_t>(1, largest));
  std::copy(mine.begin(), mine.end(), padded.begin());
  auto all = gather(padded, deadline);
  if (!all.ok()) return all.take_status();
  std::vector<std::vector<std::byte>> result;
  for (std::size_t rank = 0; rank < ranks_; ++rank) {
    const std::byte* first = all->data() + rank * padded.size();
    result.emplace_back(first, first + size_of[rank]);
  }
  return result;
}

}  // namespace longhaul::api
