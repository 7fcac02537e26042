// SPDX-License-Identifier: Apache-2.0
// Cards as bytes. Decoding is total; texts are limited, so no card is larger than 70 KiB.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bootstrap/bootstrap.h"

namespace longhaul::bootstrap {

/// lhInvalidArgument for a text that is too long.
Result<std::vector<std::byte>> encode_card(const RankCard& card);
std::optional<RankCard> decode_card(ConstBytes bytes);

/// The cards of one site by siteRank. They share one config_text: written once, and read into
/// the first card only.
std::vector<std::byte> encode_site(const std::vector<RankCard>& cards);
std::optional<std::vector<RankCard>> decode_site(ConstBytes bytes);

/// What a site's rank 0 tells its ranks after the exchange between sites: all sites' blobs, or why there are none.
std::vector<std::byte> encode_outcome(const Result<std::vector<std::vector<std::byte>>>& outcome);
Result<std::vector<std::vector<std::byte>>> decode_outcome(ConstBytes bytes);

}  // namespace longhaul::bootstrap
