// SPDX-License-Identifier: Apache-2.0
// lhGroupStart / lhGroupEnd: the calling thread's calls that are issued together and waited for at the end.
#pragma once

#include "api/comm.h"

namespace longhaul::api {

bool in_group();
/// Hands an issued request to the group, which waits for it, reports it at `comm` and gives it back.
void add_to_group(lhComm_t comm, lhRequest* request);
/// A call that was refused inside a group is also what lhGroupEnd returns.
void note_in_group(const Status& status);

}  // namespace longhaul::api
