// SPDX-License-Identifier: Apache-2.0
// The verified calls of a row, outside the timed ones: values within the codec's bound, results bit-identical at all
// ranks, input untouched, and a believable number of bytes on the wire.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "benchmarks/measure.h"
#include "benchmarks/types.h"
#include "benchmarks/verify.h"

namespace longhaul::perf {
namespace {

constexpr std::byte kPoison{0xa5};  // what a call that writes nothing leaves behind

struct RankCheck {
  std::uint64_t digest = 0;
  std::uint64_t input_changed = 0;
  Verdict verdict;
};

constexpr std::size_t kMaxNotes = 8;  // of one row; one cause usually shows at every rank

void add_note(std::vector<std::string>* notes, std::string text) {
  if (notes->size() < kMaxNotes) notes->push_back(std::move(text));
  if (notes->size() == kMaxNotes) notes->push_back("(further faults of this row are not listed)");
}

// What is wrong with one rank's result, in words.
void note_faults(const RankCheck& check, bool differs, const std::string& where, std::vector<std::string>* notes) {
  const Verdict& v = check.verdict;
  if (differs) add_note(notes, where + "the result is not bit-identical to that of rank 0");
  if (check.input_changed) add_note(notes, where + "the call changed its input");
  if (v.wrong == 0) return;
  add_note(notes, fmt::format("{}{} elements out of bounds, first [{}] = {:.9g}, expected {:.9g} +- {:.3g}", where,
                              v.wrong, v.first_wrong, v.got, v.expected, v.bound));
}

}  // namespace

Bench::Checked Bench::check_calls(const Case& row, bool in_place, const std::vector<lhCodec_t>& codecs,
                                  std::vector<std::string>* notes) {
  Checked sum;
  for (int i = 0; i < options_.checks; ++i) {
    // Other data than the timed calls had: a result left over from them must not pass.
    const auto iteration = static_cast<std::uint64_t>(2 * i + 1 + (in_place ? 1 : 0));
    const Checked one = check_once(row, problem_of(row, iteration), in_place, codecs, notes);
    sum.wrong += one.wrong;
    sum.max_error = std::max(sum.max_error, one.max_error);
    sum.max_reference = std::max(sum.max_reference, one.max_reference);
    sum.digest = sum.digest * 31 + one.digest;
  }
  return sum;
}

Bench::Checked Bench::check_once(const Case& row, const Problem& problem, bool in_place,
                                 const std::vector<lhCodec_t>& codecs, std::vector<std::string>* notes) {
  const std::span<std::byte> result = bytes_of(&receive_, row);
  const std::span<std::byte> input = bytes_of(&send_, row);
  std::fill(result.begin(), result.end(), kPoison);
  fill(problem, team_->rank(), in_place ? result : input);
  const std::uint64_t input_before = digest(input);
  if (device_) device_->put(device_->send(), input);
  if (device_) device_->put(device_->receive(), result);
  team_->barrier();
  call(row, in_place);
  get(result, input);
  const auto [first, last] = share_of(team_->rank(), team_->size(), row.count);
  RankCheck mine{digest(result), digest(input) != input_before, verify(problem, result, first, last, codecs)};
  const std::vector<RankCheck> all = gather(*team_, mine);
  if (progress_) progress_->call_done(input.size(), 1, 1, Progress::Clock::now());

  Checked sum;
  sum.digest = all[0].digest;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    const RankCheck& check = all[rank];
    const bool differs = check.digest != all[0].digest;
    const Verdict& v = check.verdict;
    sum.wrong += v.wrong + (differs ? 1 : 0) + check.input_changed;
    sum.max_error = std::max(sum.max_error, v.max_error);
    sum.max_reference = std::max(sum.max_reference, v.max_reference);
    note_faults(check, differs, fmt::format("rank {} ({}): ", rank, in_place ? "in-place" : "out-of-place"), notes);
  }
  return sum;
}

std::uint64_t Bench::check_wire(const Case& row, const Wire& wire, bool in_place,
                                std::vector<std::string>* notes) const {
  if (sites_ < 2) return 0;
  std::uint64_t wrong = 0;
  for (std::size_t site = 0; site < wire.by_site.size(); ++site) {
    const double bytes = wire.by_site[site];
    const double resent = wire.resent_by_site[site];
    bool fine = !codecs_explaining(bytes, resent, row.type, row.op, row.count).empty();
    EncodedBytes expected = encoded_bytes(lhCodecNone, row.type, row.count);
    if (row.codec != lhCodecDefault) {
      expected = encoded_bytes(row.codec, row.type, row.count);
      fine = plausible_wire(bytes, resent, expected);
    }
    if (fine) continue;
    ++wrong;
    const double most = expected.most * kOverheadFactor + kOverheadBytes + resent;
    add_note(notes,
             fmt::format("site {} ({}): {:.0f} bytes per call and link are not believable, expected {:.0f} to {:.0f}",
                         site, in_place ? "in-place" : "out-of-place", bytes, expected.least, most));
  }
  return wrong;
}

}  // namespace longhaul::perf
