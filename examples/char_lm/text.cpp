// SPDX-License-Identifier: Apache-2.0
// Reading, mapping and sampling of the text.
#include "text.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "random.h"

namespace char_lm {

std::vector<std::string> default_texts() {
  // One version of each licence only: their versions share whole paragraphs, which would leak into the held-out part.
  std::vector<std::string> found;
  for (const char* name : {"GPL-3", "GFDL-1.3", "LGPL-2.1", "Apache-2.0"}) {
    const std::string path = std::string("/usr/share/common-licenses/") + name;
    std::error_code ignored;
    if (std::filesystem::is_regular_file(path, ignored)) found.push_back(path);
  }
  return found;
}

std::vector<std::uint8_t> symbols_of(const std::string& text) {
  std::vector<std::uint8_t> symbols;
  bool blank = true;  // also drops the indentation of a line
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte == ' ' || byte == '\t' || byte == '\r' || byte == '\f') {
      if (!blank) symbols.push_back(1);
      blank = true;
    } else if (byte == '\n') {
      if (!symbols.empty() && symbols.back() == 1) symbols.pop_back();
      if (!symbols.empty() && symbols.back() != 0) symbols.push_back(0);
      blank = true;
    } else {
      const bool printable = byte > ' ' && byte < 127;
      symbols.push_back(static_cast<std::uint8_t>((printable ? byte : '?') - ' ' + 1));
      blank = false;
    }
  }
  return symbols;
}

Corpus read_corpus(const std::vector<std::string>& files, std::size_t context) {
  constexpr std::size_t kBlock = 1000;
  Corpus corpus;
  for (const std::string& file : files) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream) throw std::runtime_error("cannot read text file '" + file + "'");
    const std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    const std::vector<std::uint8_t> symbols = symbols_of(text);
    for (std::size_t begin = 0; begin < symbols.size(); begin += kBlock) {
      const std::size_t end = std::min(symbols.size(), begin + kBlock);
      std::vector<std::uint8_t>& part = begin / kBlock % 10 == 9 ? corpus.held_out : corpus.train;
      part.insert(part.end(), symbols.begin() + static_cast<std::ptrdiff_t>(begin),
                  symbols.begin() + static_cast<std::ptrdiff_t>(end));
    }
  }
  if (corpus.held_out.size() < 4 * context) {
    throw std::runtime_error("too little text: " + std::to_string(corpus.train.size()) +
                             " characters to learn; give larger files with --text");
  }
  return corpus;
}

void sample(const std::vector<std::uint8_t>& text, const Shape& shape, std::size_t size, std::uint64_t seed,
            std::size_t rank, std::size_t ranks, Batch& batch) {
  Random random(mix(seed) + rank);
  batch.contexts.resize(size * shape.context);
  batch.targets.resize(size);
  const std::size_t shard = (text.size() - shape.context) / ranks;
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t position = (random.next() % shard) * ranks + rank;
    std::copy_n(text.begin() + static_cast<std::ptrdiff_t>(position), shape.context,
                batch.contexts.begin() + static_cast<std::ptrdiff_t>(i * shape.context));
    batch.targets[i] = text[position + shape.context];
  }
}

}  // namespace char_lm
