// SPDX-License-Identifier: Apache-2.0
#include "site/nccl/coding.h"

namespace longhaul::site {

Status Coding::issue(const device::Codecs& codecs, const device::Stream& stream) const {
  Status status;
  for (const Copy& copy : before)
    if (status.ok()) status = stream.copy(copy.to, copy.from, copy.bytes);
  for (const kernels::gpu::Encode& job : encodes)
    if (status.ok()) status = codecs.encode(job, stream.get());
  for (const kernels::gpu::Combine& job : combines)
    if (status.ok()) status = codecs.combine(job, stream.get());
  for (const Copy& copy : after)
    if (status.ok()) status = stream.copy(copy.to, copy.from, copy.bytes);
  return status;
}

}  // namespace longhaul::site
