// SPDX-License-Identifier: Apache-2.0
// The call of the C ABI that adds a codec of the caller's.
#include "api/comm.h"

using longhaul::error;

lhResult_t lhCommRegisterCodec(lhComm_t comm, const lhCodecPlugin_t* plugin, lhCodec_t* codec) {
  if (longhaul::Status usable = longhaul::api::check_usable(comm); !usable.ok()) return comm ? comm->report(usable) : longhaul::api::report(usable);
  if (!codec) return comm->report(error(lhInvalidArgument, "codec is NULL: there is nowhere to say how calls name the plug-in"));
  auto id = comm->plugins.add(plugin);
  if (!id.ok()) return comm->report(id.status());
  *codec = *id;
  return lhSuccess;
}
