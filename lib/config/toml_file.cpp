// SPDX-License-Identifier: Apache-2.0
// Walks the tree toml++ makes of the file. See toml_file.h.
#include "config/toml_file.h"

// toml++ up to 3.4 asserts (and under NDEBUG lets the compiler assume) something that a file can violate: "[[[" ends
// the process. Without the assertion its own error handling takes over (marzer/tomlplusplus pull request 301).
#undef NDEBUG
#define TOML_ASSERT(expression) static_cast<void>(0)
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "config/read_file.h"
#include "config/suggest.h"
#include "config/units.h"

namespace longhaul::config {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;
// toml++ bounds the nesting of values but not of dotted keys, and recurses over both: a megabyte of "a.a.a" ends the
// stack.
constexpr std::ptrdiff_t kMaxDots = 2000;
constexpr std::array<std::string_view, 4> kTopKeys{"run_id", "secret_file", "wan", "site"};
constexpr std::array<std::string_view, 6> kSiteKeys{"name", "address", "site_address", "bind", "advertise", "ports"};

class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {}

  Status read(const toml::table& root, TomlFile* file) const {
    for (const auto& [key, node] : root) {
      Status status = read_top(key, node, file);
      if (!status.ok()) return status;
    }
    return {};
  }

  std::string place(const toml::source_region& region) const { return fmt::format("{}:{}", path_, region.begin.line); }

 private:
  std::string place(const toml::key& key) const { return place(key.source()); }

  Status read_top(const toml::key& key, const toml::node& node, TomlFile* file) const {
    if (key == "run_id") return read_text(key, node, &file->run_id);
    if (key == "secret_file") return read_secret_file(key, node, file);
    if (key == "wan") return read_wan(key, node, file);
    if (key == "site") return read_sites(key, node, file);
    if (find_key(key.str()) != nullptr) {
      return error(lhInvalidArgument, "{}: key {} belongs in the table [wan]", place(key), in_quotes(key.str()));
    }
    return unknown(key, "at top level", kTopKeys);
  }

  Status unknown(const toml::key& key, std::string_view where, std::span<const std::string_view> known) const {
    return error(lhInvalidArgument, "{}: unknown key {} {}{}", place(key), in_quotes(key.str()), where,
                 did_you_mean(key.str(), known));
  }

  // Strings as they are, numbers as text: "chunk = 1048576" and "chunk = '1MiB'" are both natural.
  Status read_text(const toml::key& key, const toml::node& node, std::optional<Text>* out) const {
    Text text{{}, place(key)};
    if (const auto* string = node.as_string()) {
      text.value = string->get();
    } else if (const auto* integer = node.as_integer()) {
      text.value = std::to_string(integer->get());
    } else if (const auto* real = node.as_floating_point()) {
      text.value = fmt::format("{}", real->get());
    } else {
      return error(lhInvalidArgument, "{}: {} must be a string or a number", text.origin, key.str());
    }
    *out = std::move(text);
    return {};
  }

  Status read_secret_file(const toml::key& key, const toml::node& node, TomlFile* file) const {
    if (!node.is_string()) return error(lhInvalidArgument, "{}: secret_file must be a string", place(key));
    Status status = read_text(key, node, &file->secret_file);
    std::string& value = file->secret_file->value;
    if (!value.empty()) value = (std::filesystem::path(path_).parent_path() / value).string();
    return status;
  }

  Status read_wan(const toml::key& key, const toml::node& node, TomlFile* file) const {
    const auto* table = node.as_table();
    if (table == nullptr) return error(lhInvalidArgument, "{}: wan must be one table: write [wan]", place(key));
    for (const auto& [name, value] : *table) {
      if (find_key(name.str()) == nullptr) return unknown(name, "in [wan]", wan_key_names());
      Status status = read_setting(name, value, &file->wan);
      if (!status.ok()) return status;
    }
    return {};
  }

  Status read_setting(const toml::key& key, const toml::node& node, Settings* settings) const {
    std::optional<Text> text;
    Status status = read_text(key, node, &text);
    if (status.ok()) settings->insert_or_assign(std::string(key.str()), std::move(*text));
    return status;
  }

  Status read_sites(const toml::key& key, const toml::node& node, TomlFile* file) const {
    const auto* array = node.as_array();
    if (array == nullptr) return error(lhInvalidArgument, "{}: sites are a list: write [[site]] for each", place(key));
    for (const toml::node& element : *array) {
      const auto* table = element.as_table();
      const std::string origin = place(element.source());
      if (table == nullptr) return error(lhInvalidArgument, "{}: a site must be a table: write [[site]]", origin);
      FileSite site;
      site.origin = origin;
      Status status = read_site(*table, &site);
      if (!status.ok()) return status;
      file->sites.push_back(std::move(site));
    }
    return {};
  }

  Status read_site(const toml::table& table, FileSite* site) const {
    for (const auto& [key, node] : table) {
      Status status = read_site_key(key, node, site);
      if (!status.ok()) return status;
    }
    if (site->name.empty()) return error(lhInvalidArgument, "{}: this [[site]] has no name", site->origin);
    // Values are checked here for every site, so that a mistake shows at all sites and not only at its own.
    auto wan = make_wan(site->wan);
    return wan.ok() ? Status() : wan.take_status();
  }

  Status read_site_key(const toml::key& key, const toml::node& node, FileSite* site) const {
    if (key == "name") {
      if (!node.is_string()) return error(lhInvalidArgument, "{}: name must be a string", place(key));
      site->name = node.as_string()->get();
      return {};
    }
    if (key == "address" || key == "site_address") {
      if (!node.is_string()) {
        return error(lhInvalidArgument, "{}: {} must be a string such as \"10.0.1.1:47000\"", place(key), key.str());
      }
      return read_text(key, node, key == "address" ? &site->address : &site->site_address);
    }
    if (key == "bind" || key == "advertise" || key == "ports") return read_setting(key, node, &site->wan);
    return unknown(key, "in [[site]]", kSiteKeys);
  }

  const std::string& path_;
};

}  // namespace

Result<TomlFile> parse_toml(std::string_view text, const std::string& path) {
  if (std::count(text.begin(), text.end(), '.') > kMaxDots) {
    return error(lhInvalidArgument, "{}: more than {} dots, this is not a configuration", path, kMaxDots);
  }
  const toml::parse_result parsed = toml::parse(text, path);
  const Reader reader(path);
  if (!parsed) {
    return error(lhInvalidArgument, "{}: {}", reader.place(parsed.error().source()),
                 printable(parsed.error().description(), 300));
  }
  TomlFile file;
  Status status = reader.read(parsed.table(), &file);
  if (!status.ok()) return status;
  return file;
}

Result<TomlFile> read_toml(const std::string& path) {
  auto content = read_file(path, kMaxFileBytes);
  if (!content.ok()) return content.take_status().with("configuration file");
  return parse_toml(content->bytes, path);
}

}  // namespace longhaul::config
