// SPDX-License-Identifier: Apache-2.0
// Checks of a call's arguments, before anything is sent; and what they make of it.
#pragma once

#include "api/comm.h"

namespace longhaul::api {

struct Arguments {
  plan::Collective collective;
  const void* send = nullptr;
  void* recv = nullptr;
  std::size_t count = 0;  ///< as the caller gave it
  lhDataType_t type = lhInt8;
  lhRedOp_t op = lhSum;
  int root = 0;
  lhStream_t stream = nullptr;
  const lhCallConfig_t* config = nullptr;
};

/// Fills `request` (call, buffers, deadline) or says what is wrong: lhInvalidArgument, lhUnsupported, lhInvalidUsage.
Status prepare(const lhComm& comm, const Arguments& arguments, engine::Request* request);

}  // namespace longhaul::api
