// SPDX-License-Identifier: Apache-2.0
// The in-site exchange of the bring-up over an MPI communicator. Compiled only with LH_HAVE_MPI.
#pragma once

#include "site/mpi/mpi_calls.h"

#ifdef LH_HAVE_MPI

#include "bootstrap/bootstrap.h"

namespace longhaul::bootstrap {

class MpiExchange final : public SiteExchange {
 public:
  /// Collective over `site` and blocking; works on a duplicate. lhInvalidUsage where MPI is not initialised for
  /// threads.
  static Result<std::unique_ptr<SiteExchange>> make(MPI_Comm site);
  explicit MpiExchange(std::shared_ptr<site::MpiComm> comm) : comm_(std::move(comm)) {}

  /// lhInvalidArgument on every rank where one rank's blob is above 1 MiB; lhTimeout where a rank did not come, after
  /// which the object is of no further use.
  Result<std::vector<std::vector<std::byte>>> all_gather(ConstBytes mine, TimeNs deadline) override;

 private:
  Status wait(MPI_Request request, TimeNs deadline, const std::shared_ptr<void>& memory);

  std::shared_ptr<site::MpiComm> comm_;
  bool broken_ = false;
};

}  // namespace longhaul::bootstrap

#endif  // LH_HAVE_MPI
