// SPDX-License-Identifier: Apache-2.0
// The specification of codec r4: kernels/codecs/rotated/reference.h with R4.
#include "kernels/codecs/rotated/reference.h"
#include "kernels/codecs/r4/r4.h"

namespace longhaul::kernels {

constinit const CodecForm kR4Reference{rotated_reference::encode<R4>, rotated_reference::decode_add<R4>, rotated_reference::finish<R4>};

}  // namespace longhaul::kernels
