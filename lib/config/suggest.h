// SPDX-License-Identifier: Apache-2.0
// Texts about words a person wrote: quoting that is safe for any bytes, and "did you mean" by edit distance.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace longhaul::config {

/// Fit for a one-line message: other bytes than printable ASCII become '?', and what is beyond `most` bytes "...".
std::string printable(std::string_view text, std::size_t most);
/// 'text': printable, in quotes, at most 80 bytes.
std::string in_quotes(std::string_view text);

/// Insertions, deletions, substitutions and swaps of neighbours that turn a into b.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate closest to `word` if it is close enough to be meant, else empty.
std::string_view closest(std::string_view word, std::span<const std::string_view> candidates);

/// ": did you mean 'codec'?", or "; known are: codec, streams" where nothing is close. To append to "unknown ...".
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace longhaul::config
