// SPDX-License-Identifier: Apache-2.0
// What the measured numbers mean, as arithmetic and as one sentence. Pure, so that tests can hold it to its word.
#pragma once

#include <string>
#include <vector>

#include "options.h"
#include "trainer.h"

namespace char_lm {

/// Seconds no exchange of the whole gradient can beat: its encoded bytes at 95 % of the rate (headers take the rest at
/// an MTU of 1500), then one way across.
double physical_limit(const RunResult& run, const Link& link);
/// Bits on the wire during an exchange over what the link could have carried meanwhile.
double link_share(const RunResult& run, const Link& link);
/// Bytes before the codec over bytes on the wire.
double ratio(const RunResult& run);

/// One sentence about the smallest codec against the exact run; says so where the codec did not help.
std::string verdict(const std::vector<RunResult>& runs, const Link& link);

}  // namespace char_lm
