// SPDX-License-Identifier: Apache-2.0
// Which instruction sets the kernels are compiled for: all that Highway knows with vectors of a fixed size. Before any header of
// Highway. A file may name more to leave out.
#pragma once

#ifndef LH_DISABLED_TARGETS
#define LH_DISABLED_TARGETS 0
#endif
#define HWY_DISABLED_TARGETS (LH_DISABLED_TARGETS | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
