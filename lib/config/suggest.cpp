// SPDX-License-Identifier: Apache-2.0
// Optimal string alignment distance; see suggest.h.
#include "config/suggest.h"

#include <algorithm>
#include <vector>

namespace longhaul::config {
namespace {
constexpr std::size_t kMaxQuoted = 80;
constexpr std::size_t kMaxWord = 40;  // nothing longer is a misspelt key, and the cost is quadratic
}  // namespace

std::string printable(std::string_view text, std::size_t most) {
  std::string out;
  for (char c : text.substr(0, most)) out += (c >= ' ' && c <= '~') ? c : '?';
  return text.size() > most ? out + "..." : out;
}

std::string in_quotes(std::string_view text) { return "'" + printable(text, kMaxQuoted) + "'"; }

std::size_t edit_distance(std::string_view a, std::string_view b) {
  const std::size_t width = b.size() + 1;
  std::vector<std::size_t> cost((a.size() + 1) * width);
  const auto at = [&](std::size_t i, std::size_t j) -> std::size_t& { return cost[i * width + j]; };
  for (std::size_t i = 0; i <= a.size(); ++i) at(i, 0) = i;
  for (std::size_t j = 0; j <= b.size(); ++j) at(0, j) = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = at(i - 1, j - 1) + (a[i - 1] == b[j - 1] ? 0 : 1);
      at(i, j) = std::min({at(i - 1, j) + 1, at(i, j - 1) + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
      }
    }
  }
  return at(a.size(), b.size());
}

std::string_view closest(std::string_view word, std::span<const std::string_view> candidates) {
  if (word.empty() || word.size() > kMaxWord) return {};
  std::string_view best;
  std::size_t best_distance = std::clamp<std::size_t>(word.size() / 3, 1, 4) + 1;
  for (std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    // A distance of the whole word would suggest anything for a one-letter word.
    if (distance < best_distance && distance < std::max(word.size(), candidate.size())) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  const std::string_view best = closest(word, candidates);
  if (!best.empty()) return ": did you mean '" + std::string(best) + "'?";
  std::string text = "; known are: ";
  for (std::size_t i = 0; i < candidates.size(); ++i) (text += i == 0 ? "" : ", ").append(candidates[i]);
  return text;
}

}  // namespace longhaul::config
