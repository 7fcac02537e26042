// SPDX-License-Identifier: Apache-2.0
// Merges the layers: environment over lhConfig_t over TOML file over defaults.
#include <algorithm>

#include "base/log.h"
#include "config/config.h"
#include "config/environment.h"
#include "config/input.h"
#include "config/keys.h"
#include "config/launcher.h"
#include "config/secret.h"
#include "config/sites.h"
#include "config/suggest.h"
#include "config/toml_file.h"
#include "config/units.h"

namespace longhaul::config {
namespace {

constexpr std::size_t kMaxRunId = 128;

// Everything as text, before any value is converted.
struct Layers {
  lhConfig_t input = LH_CONFIG_INITIALIZER;
  TomlFile file;
  Settings strings;    // the struct's wan string, then $LONGHAUL_WAN
  Settings variables;  // LONGHAUL_WAN_<KEY>
};

// The variable if set, else the struct's field, else nothing. Empty counts as not set.
std::optional<Text> pick(const Environment& environment, const char* name, const char* field, const char* field_name) {
  if (auto value = variable(environment, name)) return Text{std::move(*value), std::string("$") + name};
  if (field != nullptr && *field != '\0') return Text{field, std::string("lhConfig_t.") + field_name};
  return std::nullopt;
}

Result<Layers> read_layers(const lhConfig_t* config, const Environment& environment) {
  Layers layers;
  auto input = copy_struct(config);
  if (!input.ok()) return input.take_status();
  layers.input = *input;

  if (environment.target<ProcessEnvironment>() != nullptr) {
    Status status = check_wan_variable_names(ProcessEnvironment::names());
    if (!status.ok()) return status;
  }
  if (const auto path = pick(environment, "LONGHAUL_CONFIG", input->file, "file")) {
    auto file = read_toml(path->value);
    if (!file.ok()) return file.take_status();
    layers.file = std::move(*file);
  }
  if (input->wan != nullptr) {
    Status status = read_wan_string(input->wan, "the wan string", &layers.strings);
    if (!status.ok()) return status;
  }
  if (const auto text = variable(environment, "LONGHAUL_WAN")) {
    Status status = read_wan_string(*text, "$LONGHAUL_WAN", &layers.strings);
    if (!status.ok()) return status;
  }
  read_wan_variables(environment, &layers.variables);
  return layers;
}

void overlay(const Settings& over, Settings* settings) {
  for (const auto& [name, text] : over) settings->insert_or_assign(name, text);
}

// `own`: this rank's [[site]] table, or null.
Result<Wan> merge_wan(const Layers& layers, const FileSite* own) {
  Settings settings = layers.file.wan;
  if (own != nullptr) overlay(own->wan, &settings);
  overlay(layers.strings, &settings);
  overlay(layers.variables, &settings);
  return make_wan(settings);
}

Status set_run_id(const Layers& layers, const Environment& environment, Config* config) {
  std::optional<Text> run_id = pick(environment, "LONGHAUL_RUN_ID", layers.input.runId, "runId");
  if (!run_id && layers.file.run_id && !layers.file.run_id->value.empty()) run_id = layers.file.run_id;
  if (!run_id) return {};
  const bool printable =
      std::all_of(run_id->value.begin(), run_id->value.end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (run_id->value.size() > kMaxRunId || !printable) {
    return error(lhInvalidArgument, "run id {} in {} must be 1 to {} printable characters", in_quotes(run_id->value),
                 run_id->origin, kMaxRunId);
  }
  config->run_id = run_id->value;
  return {};
}

Status set_sites(const Layers& layers, const Environment& environment, Config* config) {
  const auto text = pick(environment, "LONGHAUL_SITES", layers.input.sites, "sites");
  auto sites = text ? parse_sites(*text) : sites_of(layers.file);
  if (!sites.ok()) return sites.take_status();
  config->sites = std::move(*sites);
  auto own = own_site(pick(environment, "LONGHAUL_SITE", layers.input.site, "site"), config->sites);
  if (!own.ok()) return own.take_status();
  config->site = *own;
  return {};
}

const FileSite* find_own(const TomlFile& file, const std::string& name) {
  for (const FileSite& site : file.sites)
    if (site.name == name) return &site;
  return nullptr;
}

Status set_site_address(const Layers& layers, const Environment& environment, const FileSite* own, bool needed,
                        Config* config) {
  auto text = pick(environment, "LONGHAUL_SITE_ADDRESS", layers.input.siteAddress, "siteAddress");
  if (!text && own != nullptr && own->site_address && !own->site_address->value.empty()) text = own->site_address;
  HostPort address = config->sites[static_cast<std::size_t>(config->site)].address;
  if (text) {
    auto parsed = parse_host_port(text->value);
    if (!parsed.ok()) return parsed.take_status().with(fmt::format("site address in {}", text->origin));
    address = *parsed;
  }
  if (needed) config->site_address = address;
  return {};
}

Status set_secret(const Layers& layers, const Environment& environment, Config* config) {
  auto path = pick(environment, "LONGHAUL_SECRET_FILE", nullptr, "");
  if (!path && layers.file.secret_file && !layers.file.secret_file->value.empty()) path = layers.file.secret_file;
  if (!path) return check_no_secret(config->sites, config->wan);
  auto secret = read_secret(path->value);
  if (!secret.ok()) return secret.take_status();
  if (secret->warning) log_warn(*secret->warning);
  config->secret = std::move(secret->bytes);
  return {};
}

}  // namespace

Result<Config> resolve(const lhConfig_t* config, const Environment& environment, const Given& given) {
  auto layers = read_layers(config, environment);
  if (!layers.ok()) return layers.take_status();
  Config result;
  result.device = layers->input.device;
  result.blocking = layers->input.blocking == 1;
  if (Status status = set_run_id(*layers, environment, &result); !status.ok()) return status;
  if (Status status = set_sites(*layers, environment, &result); !status.ok()) return status;

  auto place = find_place(layers->input.siteRank, layers->input.siteSize, environment, given);
  if (!place.ok()) return place.take_status();
  result.site_rank = place->rank;
  result.site_size = place->size;

  const FileSite* own = find_own(layers->file, result.sites[static_cast<std::size_t>(result.site)].name);
  auto wan = merge_wan(*layers, own);
  if (!wan.ok()) return wan.take_status();
  result.wan = std::move(*wan);

  const bool address_needed = result.site_size > 1 && !given.in_site_exchange && layers->input.oob == nullptr;
  if (Status status = set_site_address(*layers, environment, own, address_needed, &result); !status.ok()) return status;
  if (Status status = set_secret(*layers, environment, &result); !status.ok()) return status;
  return result;
}

Result<Wan> resolve_loopback(const lhConfig_t* config, const Environment& environment) {
  auto layers = read_layers(config, environment);
  if (!layers.ok()) return layers.take_status();
  return merge_wan(*layers, nullptr);
}

}  // namespace longhaul::config
