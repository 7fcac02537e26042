// SPDX-License-Identifier: Apache-2.0
// The specification of codec r2: kernels/codecs/rotated/reference.h with R2.
#include "kernels/codecs/rotated/reference.h"
#include "kernels/codecs/r2/r2.h"

namespace longhaul::kernels {

constinit const CodecForm kR2Reference{rotated_reference::encode<R2>, rotated_reference::decode_add<R2>, rotated_reference::finish<R2>};

}  // namespace longhaul::kernels
