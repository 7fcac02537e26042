// SPDX-License-Identifier: Apache-2.0
// The only include of mpi.h in the library, and the owner of a duplicated communicator. Every MPI symbol used is a weak
// reference: the library does not need libmpi, a program that uses MPI brings it, and mpi_available() says whether it
// did. (A libmpi that was loaded after this library, or with RTLD_LOCAL, is not seen.) Compiled only with LH_HAVE_MPI.
#pragma once

namespace longhaul::site {

/// MPI is in this process, initialised and not finalised. Always false in a build without MPI.
bool mpi_available();
/// MPI_THREAD_MULTIPLE was granted: needed, because the engine's thread and the program both call MPI.
bool mpi_threads_ok();

}  // namespace longhaul::site

#ifdef LH_HAVE_MPI

// The C++ bindings would be strong references.
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"

#pragma weak MPI_Cancel
#pragma weak MPI_Comm_dup
#pragma weak MPI_Comm_free
#pragma weak MPI_Comm_rank
#pragma weak MPI_Comm_set_errhandler
#pragma weak MPI_Comm_size
#pragma weak MPI_Error_string
#pragma weak MPI_Finalized
#pragma weak MPI_Get_count
#pragma weak MPI_Iallgather
#pragma weak MPI_Iallgatherv
#pragma weak MPI_Initialized
#pragma weak MPI_Irecv
#pragma weak MPI_Isend
#pragma weak MPI_Issend
#pragma weak MPI_Query_thread
#pragma weak MPI_Test
#ifdef OPEN_MPI  // its constants are addresses of data
#pragma weak ompi_mpi_byte
#pragma weak ompi_mpi_comm_null
#pragma weak ompi_mpi_errors_return
#pragma weak ompi_mpi_uint64_t
#pragma weak ompi_request_null
#endif

namespace longhaul::site {

/// Our own duplicate of a communicator: our messages never meet the program's, and errors return instead of ending the
/// process. Freed on destruction, unless MPI is gone or something unfinished still uses it.
class MpiComm {
 public:
  /// Collective over `original` and blocking.
  static Result<std::shared_ptr<MpiComm>> duplicate(MPI_Comm original);
  /// Takes over a communicator.
  explicit MpiComm(MPI_Comm comm) : comm_(comm) {}
  ~MpiComm();
  MpiComm(const MpiComm&) = delete;  // one owner
  MpiComm& operator=(const MpiComm&) = delete;

  MPI_Comm get() const { return comm_; }
  int rank() const { return rank_; }
  int size() const { return size_; }
  /// It will not be freed: requests that nobody waits for are still using it.
  void abandon() { abandoned_ = true; }

 private:
  MPI_Comm comm_;
  int rank_ = 0;
  int size_ = 0;
  bool abandoned_ = false;
};

std::string mpi_error_text(int code);

/// For requests that cannot be waited for (the peer may be gone): keeps their memory until they are done, or for ever.
void keep_until_done(const std::shared_ptr<MpiComm>& comm, std::vector<MPI_Request> requests,
                     std::shared_ptr<void> memory);

}  // namespace longhaul::site

#endif  // LH_HAVE_MPI
