// SPDX-License-Identifier: Apache-2.0
// Whether MPI is here, and what outlives its owner because MPI still uses it.
#include "site/mpi/mpi_calls.h"

#ifndef LH_HAVE_MPI

namespace longhaul::site {
bool mpi_available() { return false; }
bool mpi_threads_ok() { return false; }
}  // namespace longhaul::site

#else

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

namespace longhaul::site {

namespace {

/// What a destroyed object left behind.
struct Orphan {
  std::vector<MPI_Request> requests;
  std::shared_ptr<void> memory;
};

struct Orphanage {
  std::mutex mutex;
  std::vector<Orphan> orphans;
};

Orphanage& orphanage() {
  static Orphanage instance;
  return instance;
}

bool all_done(Orphan& orphan) {
  std::erase_if(orphan.requests, [](MPI_Request& request) {
    int done = 0;
    return MPI_Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || done != 0;
  });
  return orphan.requests.empty();
}

}  // namespace

bool mpi_available() {
  if (&MPI_Initialized == nullptr || &MPI_Finalized == nullptr) return false;
  int initialised = 0;
  int finalised = 0;
  MPI_Initialized(&initialised);
  MPI_Finalized(&finalised);
  return initialised != 0 && finalised == 0;
}

bool mpi_threads_ok() {
  if (!mpi_available()) return false;
  int provided = MPI_THREAD_SINGLE;
  return MPI_Query_thread(&provided) == MPI_SUCCESS && provided == MPI_THREAD_MULTIPLE;
}

std::string mpi_error_text(int code) {
  std::array<char, MPI_MAX_ERROR_STRING + 1> text{};
  int length = 0;
  if (MPI_Error_string(code, text.data(), &length) != MPI_SUCCESS) return fmt::format("MPI error {}", code);
  return text.data();
}

Result<std::shared_ptr<MpiComm> > MpiComm::duplicate(MPI_Comm original) {
  if (!mpi_available()) return error(lhInvalidUsage, "MPI is not initialised: call MPI_Init_thread before");
  if (!mpi_threads_ok()) {
    return error(lhInvalidUsage, "MPI was initialised without MPI_THREAD_MULTIPLE: ask MPI_Init_thread for it");
  }
  MPI_Comm copy = MPI_COMM_NULL;
  const int code = MPI_Comm_dup(original, &copy);
  if (code != MPI_SUCCESS) return error(lhSystemError, "MPI_Comm_dup failed: {}", mpi_error_text(code));
  auto comm = std::make_shared<MpiComm>(copy);
  MPI_Comm_set_errhandler(copy, MPI_ERRORS_RETURN);
  MPI_Comm_rank(copy, &comm->rank_);
  MPI_Comm_size(copy, &comm->size_);
  return comm;
}

MpiComm::~MpiComm() {
  if (!abandoned_ && mpi_available()) MPI_Comm_free(&comm_);
}

void keep_until_done(const std::shared_ptr<MpiComm>& comm, std::vector<MPI_Request> requests,
                     std::shared_ptr<void> memory) {
  if (!mpi_available()) return;  // MPI_Finalize has let go of everything
  Orphanage& home = orphanage();
  const std::lock_guard lock(home.mutex);
  std::erase_if(home.orphans, all_done);
  Orphan orphan{std::move(requests), std::move(memory)};
  if (all_done(orphan)) return;
  comm->abandon();
  home.orphans.push_back(std::move(orphan));
}

}  // namespace longhaul::site

#endif  // LH_HAVE_MPI
