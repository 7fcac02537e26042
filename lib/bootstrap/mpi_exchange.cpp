// SPDX-License-Identifier: Apache-2.0
// Sizes first, then the blobs, both as non-blocking collectives, so that a missing rank is a timeout and not a hang.
#include "bootstrap/mpi_exchange.h"

#ifdef LH_HAVE_MPI

#include <algorithm>
#include <climits>
#include <thread>

namespace longhaul::bootstrap {

namespace {

constexpr std::uint64_t kMaxBlobBytes = 1 << 20;

/// Everything a pending collective reads or writes; shared, because it may outlive a timeout.
struct Buffers {
  std::uint64_t own_size = 0;
  std::vector<std::uint64_t> sizes;
  std::vector<std::byte> own;
  std::vector<std::byte> all;
  std::vector<int> counts;
  std::vector<int> offsets;
};

/// counts, offsets and room for all blobs; fails alike on every rank.
Status lay_out(Buffers* buffers) {
  std::uint64_t total = 0;
  for (std::size_t rank = 0; rank < buffers->sizes.size(); ++rank) {
    const std::uint64_t size = buffers->sizes[rank];
    if (size > kMaxBlobBytes || total + size > INT_MAX) {
      return error(lhInvalidArgument,
                   "siteRank {} wants to exchange {} bytes: at most {} a rank and {} in all are possible", rank, size,
                   kMaxBlobBytes, INT_MAX);
    }
    buffers->counts.push_back(static_cast<int>(size));
    buffers->offsets.push_back(static_cast<int>(total));
    total += size;
  }
  buffers->all.resize(static_cast<std::size_t>(total));
  return {};
}

}  // namespace

Result<std::unique_ptr<SiteExchange>> MpiExchange::make(MPI_Comm site) {
  Result<std::shared_ptr<site::MpiComm>> comm = site::MpiComm::duplicate(site);
  if (!comm.ok()) return comm.take_status();
  return std::unique_ptr<SiteExchange>(std::make_unique<MpiExchange>(std::move(*comm)));
}

Status MpiExchange::wait(MPI_Request request, TimeNs deadline, const std::shared_ptr<void>& memory) {
  for (;;) {
    int done = 0;
    const int code = MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (code != MPI_SUCCESS) {
      broken_ = true;
      return error(lhRemoteError, "the exchange of cards inside the site failed: {}", site::mpi_error_text(code));
    }
    if (done != 0) return {};
    if (steady_now() >= deadline) break;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  broken_ = true;
  site::keep_until_done(comm_, {request}, memory);
  return error(lhTimeout,
               "not every one of the {} ranks of the site's MPI communicator came to exchange cards: "
               "do all of them initialise?",
               comm_->size());
}

Result<std::vector<std::vector<std::byte>>> MpiExchange::all_gather(ConstBytes mine, TimeNs deadline) {
  if (broken_) return error(lhInvalidUsage, "an earlier exchange of cards inside the site failed: initialise again");
  const auto ranks = static_cast<std::size_t>(comm_->size());
  const auto buffers = std::make_shared<Buffers>();
  buffers->own_size = mine.size();
  buffers->sizes.resize(ranks);
  buffers->own.assign(mine.begin(), mine.end());

  MPI_Request request = MPI_REQUEST_NULL;
  int code = MPI_Iallgather(&buffers->own_size, 1, MPI_UINT64_T, buffers->sizes.data(), 1, MPI_UINT64_T, comm_->get(),
                            &request);
  if (code != MPI_SUCCESS) return error(lhSystemError, "MPI_Iallgather failed: {}", site::mpi_error_text(code));
  if (Status status = wait(request, deadline, buffers); !status.ok()) return status;
  if (Status status = lay_out(buffers.get()); !status.ok()) return status;

  code = MPI_Iallgatherv(buffers->own.data(), static_cast<int>(mine.size()), MPI_BYTE, buffers->all.data(),
                         buffers->counts.data(), buffers->offsets.data(), MPI_BYTE, comm_->get(), &request);
  if (code != MPI_SUCCESS) return error(lhSystemError, "MPI_Iallgatherv failed: {}", site::mpi_error_text(code));
  if (Status status = wait(request, deadline, buffers); !status.ok()) return status;

  std::vector<std::vector<std::byte>> result(ranks);
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    const auto blob =
        ConstBytes(buffers->all)
            .subspan(static_cast<std::size_t>(buffers->offsets[rank]), static_cast<std::size_t>(buffers->counts[rank]));
    result[rank].assign(blob.begin(), blob.end());
  }
  return result;
}

}  // namespace longhaul::bootstrap

#endif  // LH_HAVE_MPI
