// SPDX-License-Identifier: Apache-2.0
// The text to learn: plain files, mapped to 96 symbols (newline and printable ASCII), every tenth block of 1000 held
// out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model.h"

namespace char_lm {

constexpr std::size_t kVocabulary = 96;

struct Corpus {
  std::vector<std::uint8_t> train;
  std::vector<std::uint8_t> held_out;
};

/// Licence texts that every Debian and Ubuntu carries (package base-files); see README.md for why these.
std::vector<std::string> default_texts();

/// Throws std::runtime_error with the file's name when one cannot be read or there is too little text for `context`.
Corpus read_corpus(const std::vector<std::string>& files, std::size_t context);
/// The symbols of one text: runs of blanks become one, other characters '?'.
std::vector<std::uint8_t> symbols_of(const std::string& text);

/// Picks examples for rank `rank` of `ranks`: the positions of the training text are dealt out to the ranks, so no two
/// ranks ever see the same example.
void sample(const std::vector<std::uint8_t>& text, const Shape& shape, std::size_t size, std::uint64_t seed,
            std::size_t rank, std::size_t ranks, Batch& batch);

}  // namespace char_lm
