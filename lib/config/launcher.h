// SPDX-License-Identifier: Apache-2.0
// siteRank and siteSize from what started the process (mpirun, srun, torchrun, ...).
#pragma once

#include <optional>

#include "config/config.h"

namespace longhaul::config {

struct SitePlace {
  int rank = 0;
  int size = 1;
};

/// In this order: LONGHAUL_SITE_RANK / LONGHAUL_SITE_SIZE; siteRank / siteSize of the struct (negative: not set);
/// `given`; the launcher's variables; rank 0 of 1. What an MPI communicator or callback says (`given`) must not be
/// contradicted.
Result<SitePlace> find_place(int struct_rank, int struct_size, const Environment& environment, const Given& given);

}  // namespace longhaul::config
