// SPDX-License-Identifier: Apache-2.0
// See sites.h.
#include "config/sites.h"

#include "config/suggest.h"
#include "config/units.h"

namespace longhaul::config {
namespace {

constexpr std::size_t kMaxSiteName = 63;

bool is_site_name(const std::string& name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  return !name.empty() && name.size() <= kMaxSiteName && name.find_first_not_of(kAllowed) == std::string::npos;
}

}  // namespace

Status check_sites(const std::vector<Site>& sites) {
  if (sites.empty()) {
    return error(
        lhInvalidArgument,
        "no sites: set $LONGHAUL_SITES or lhConfig_t.sites to name=host:port,name=host:port, or name a file with "
        "[[site]] tables in $LONGHAUL_CONFIG or lhConfig_t.file");
  }
  if (sites.size() > kMaxSites) return error(lhInvalidArgument, "{} sites, at most {}", sites.size(), kMaxSites);
  for (std::size_t i = 0; i < sites.size(); ++i) {
    if (!is_site_name(sites[i].name)) {
      return error(lhInvalidArgument, "site name {} must be 1 to {} letters, digits, '-', '_' or '.'",
                   in_quotes(sites[i].name), kMaxSiteName);
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (sites[i].name == sites[j].name)
        return error(lhInvalidArgument, "site {} is named twice", in_quotes(sites[i].name));
      if (sites[i].address == sites[j].address) {
        return error(lhInvalidArgument, "sites {} and {} have the same address {}: each needs its own",
                     in_quotes(sites[j].name), in_quotes(sites[i].name), sites[i].address.text());
      }
    }
  }
  return {};
}

Result<std::vector<Site>> parse_sites(const Text& text) {
  std::vector<Site> sites;
  std::string_view rest = text.value;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view item = trimmed(rest.substr(0, comma));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    if (item.empty()) continue;
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) {
      return error(lhInvalidArgument, "site {} in {} has no address: write name=host:port", in_quotes(item),
                   text.origin);
    }
    auto address = parse_host_port(item.substr(equals + 1));
    const std::string name(trimmed(item.substr(0, equals)));
    if (!address.ok()) return address.take_status().with(fmt::format("site {} in {}", in_quotes(name), text.origin));
    sites.push_back({name, *address});
    if (sites.size() > kMaxSites) return error(lhInvalidArgument, "more than {} sites in {}", kMaxSites, text.origin);
  }
  Status status = check_sites(sites);
  if (!status.ok()) return std::move(status).with(text.origin);
  return sites;
}

Result<std::vector<Site>> sites_of(const TomlFile& file) {
  std::vector<Site> sites;
  for (const FileSite& site : file.sites) {
    if (!site.address) {
      return error(lhInvalidArgument, "{}: site {} has no address: write address = \"host:port\"", site.origin,
                   in_quotes(site.name));
    }
    auto address = parse_host_port(site.address->value);
    if (!address.ok()) return address.take_status().with(fmt::format("address in {}", site.address->origin));
    sites.push_back({site.name, *address});
  }
  Status status = check_sites(sites);
  if (!status.ok()) return file.sites.empty() ? status : std::move(status).with(file.sites.back().origin);
  return sites;
}

std::string names_of(const std::vector<Site>& sites) {
  std::string names;
  for (const Site& site : sites) (names += names.empty() ? "" : ", ") += site.name;
  return names;
}

Result<int> own_site(const std::optional<Text>& name, const std::vector<Site>& sites) {
  if (!name) {
    if (sites.size() == 1) return 0;
    return error(lhInvalidArgument, "this rank's site is not known: set $LONGHAUL_SITE or lhConfig_t.site to one of {}",
                 names_of(sites));
  }
  std::vector<std::string_view> known;
  for (const Site& site : sites) known.push_back(site.name);
  for (std::size_t i = 0; i < known.size(); ++i)
    if (known[i] == name->value) return static_cast<int>(i);
  return error(lhInvalidArgument, "{} {} is none of the sites{}", name->origin, in_quotes(name->value),
               did_you_mean(name->value, known));
}

}  // namespace longhaul::config
