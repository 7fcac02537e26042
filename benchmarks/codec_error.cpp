// SPDX-License-Identifier: Apache-2.0
// codec_error: what does every codec make of real data? Reads raw fp32 files and prints, as JSON, for each file and codec: bits a value, NMSE,
// bias and largest error. The codecs are the library's own, over pieces as long as the engine's; so is the plug-in of examples/codec_plugin.
//
//   codec_error FILE.f32... >errors.json
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "codec/plugin.h"
#include "kernels/float16.h"
#include "other_formats.h"

extern "C" {
#include "examples/codec_plugin/topk.h"
}

namespace {

using longhaul::codec::Codec;

constexpr std::size_t kPiece = 131072;  // values of a chunk of 512 KiB

std::vector<float> read_values(const std::string& name) {
  std::ifstream file(name, std::ios::binary | std::ios::ate);
  const std::streamoff bytes = file ? static_cast<std::streamoff>(file.tellg()) : 0;
  if (!file || bytes == 0 || bytes % 4 != 0) throw CLI::FileError(fmt::format("{}: not a file of fp32 values", name));
  std::vector<float> values(static_cast<std::size_t>(bytes) / 4);
  file.seekg(0);
  file.read(reinterpret_cast<char*>(values.data()), bytes);
  if (!file) throw CLI::FileError(fmt::format("{}: cannot be read", name));
  return values;
}

/// bias: how much longer or shorter the decoded vector is along the true one. largest: in units of the root mean square.
nlohmann::json row(std::string_view name, const std::vector<float>& values, const std::vector<float>& decoded, std::size_t bytes) {
  double energy = 0, error = 0, product = 0, largest = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double x = static_cast<double>(values[i]), y = static_cast<double>(decoded[i]);
    energy += x * x;
    error += (x - y) * (x - y);
    product += x * y;
    largest = std::max(largest, std::fabs(x - y));
  }
  const auto count = static_cast<double>(values.size());
  return {{"codec", name}, {"bits", 8 * static_cast<double>(bytes) / count}, {"nmse", error / energy}, {"bias", product / energy - 1},
          {"max_error", largest / std::sqrt(energy / count)}};
}

/// Piece by piece, as the engine does it.
nlohmann::json coded(const Codec& codec, std::string_view name, const std::vector<float>& values) {
  std::vector<float> decoded(values.size()), sum(codec.accumulator_values(kPiece));
  std::vector<std::byte> blob(std::max(codec.most_bytes(kPiece), longhaul::codec::fallback().most_bytes(kPiece)));
  std::size_t bytes = 0;
  for (std::size_t begin = 0; begin < values.size(); begin += kPiece) {
    const std::size_t count = std::min(kPiece, values.size() - begin);
    const longhaul::codec::Rotation rotation{.key = 1, .operation = 1, .chunk = static_cast<std::uint32_t>(begin / kPiece)};
    const Codec* used = &codec;
    std::size_t size = codec.encode(values.data() + begin, count, rotation, blob.data());
    if (size == longhaul::codec::kNone) size = (used = &longhaul::codec::fallback())->encode(values.data() + begin, count, rotation, blob.data());
    LH_CHECK(used->decode_add({blob.data(), size}, count, true, sum.data()));
    used->finish(sum.data(), count, rotation);
    std::copy_n(sum.begin(), count, decoded.begin() + static_cast<std::ptrdiff_t>(begin));
    bytes += size;
  }
  return row(name, values, decoded, bytes);
}

nlohmann::json rows_of(const std::vector<float>& values) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Codec& codec : longhaul::codec::all()) rows.push_back(coded(codec, codec.name, values));
  std::vector<float> halves = values;
  for (float& value : halves) value = longhaul::kernels::bf16_to_float(longhaul::kernels::float_to_bf16(value));
  rows.push_back(coded(*longhaul::codec::find(lhCodecLossless), "lossless of bf16", halves));
  const lhCodecPlugin_t description = topk_plugin();
  auto topk = longhaul::codec::Plugin::make(&description, static_cast<lhCodec_t>(longhaul::codec::kFirstPlugin));
  LH_CHECK(topk.ok());
  rows.push_back(coded((*topk)->codec(), "top-k, 1 % (plug-in)", values));
  for (const OtherFormat& format : other_formats()) {
    std::vector<float> decoded(values.size());
    const std::size_t bytes = format.round_trip(values, decoded.data());
    rows.push_back(row(format.name, values, decoded, bytes));
  }
  return rows;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Bits, NMSE, bias and largest error of every codec on raw fp32 files, as JSON.", "codec_error");
  std::vector<std::string> files;
  app.add_option("FILE", files, "raw fp32, little endian")->required()->check(CLI::ExistingFile);
  try {
    app.parse(argc, argv);
    nlohmann::json all = nlohmann::json::array();
    for (const std::string& name : files) {
      const std::vector<float> values = read_values(name);
      all.push_back({{"file", name.substr(name.rfind('/') + 1)}, {"values", values.size()}, {"rows", rows_of(values)}});
    }
    fmt::print("{}\n", all.dump(1));
  } catch (const CLI::ParseError& problem) {
    return app.exit(problem);
  }
  return 0;
}
