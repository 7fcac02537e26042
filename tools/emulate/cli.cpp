// SPDX-License-Identifier: Apache-2.0
#include "emulate/cli.h"

#include <cstdio>
#include <memory>

#include "emulate/commands.h"
#include "emulate/daemon.h"
#include "emulate/settings.h"

namespace longhaul::emulate {
namespace {

using Settings = std::map<std::string, std::string>;

/// One option a setting; each may be given once.
void add_settings(CLI::App* app, const std::shared_ptr<Settings>& values) {
  for (const Setting& setting : all_settings()) {
    app->add_option_function<std::string>(
           fmt::format("--{}", setting.name), [values, name = setting.name](const std::string& text) { (*values)[name] = text; }, setting.help)
        ->type_name(setting.unit)
        ->group("Link");
  }
}

int wrong(const char* command, const Status& status) {
  std::fprintf(stderr, "longhaul emulate %s: %s\n", command, status.text().c_str());
  return 1;
}

void add_up(CLI::App* emulate, const std::shared_ptr<std::string>& name, std::function<int()>* run) {
  CLI::App* up = emulate->add_subcommand("up", "Start it: network namespaces joined by emulated links");
  auto options = std::make_shared<UpOptions>();
  auto sites = std::make_shared<std::string>("2");
  auto settings = std::make_shared<Settings>();
  up->add_option("--sites", *sites, "how many, or their names separated by commas")->capture_default_str();
  up->add_option("--mtu", options->mtu, "of the sites' devices")->capture_default_str()->check(CLI::Range(576, 9000));
  up->add_option("--seed", options->seed, "of everything random")->capture_default_str();
  up->add_flag("--foreground", options->foreground, "stay here until Ctrl-C");
  add_settings(up, settings);
  up->callback([=] {
    *run = [=]() -> int {
      Result<std::vector<std::string>> names = parse_sites(*sites);
      if (!names.ok()) return wrong("up", names.status());
      options->name = *name;
      options->sites = std::move(*names);
      for (const auto& [setting, text] : *settings)
        if (Status status = apply_setting(&options->settings, setting, text); !status.ok()) return wrong("up", status);
      return run_up(*options);
    };
  });
}

void add_set(CLI::App* emulate, const std::shared_ptr<std::string>& name, std::function<int()>* run) {
  CLI::App* set = emulate->add_subcommand("set", "Change links while it runs");
  auto from = std::make_shared<std::string>("*"), to = std::make_shared<std::string>("*");
  auto settings = std::make_shared<Settings>();
  set->add_option("--from", *from, "only links from this site");
  set->add_option("--to", *to, "only links to this site");
  add_settings(set, settings);
  set->callback([=] {
    *run = [=]() -> int {
      if (settings->empty()) return wrong("set", error(lhInvalidArgument, "nothing to change: give --loss, --rate or another setting of a link"));
      return run_set(*name, *from, *to, *settings);
    };
  });
}

void add_exec(CLI::App* emulate, const std::shared_ptr<std::string>& name, std::function<int()>* run) {
  CLI::App* exec = emulate->add_subcommand("exec", "Run a command in a site: exec SITE -- COMMAND...");
  auto site = std::make_shared<std::string>();
  auto command = std::make_shared<std::vector<std::string>>();
  exec->add_option("site", *site, "the site's name")->required();
  exec->add_option("command", *command, "the command and its arguments")->required();
  exec->positionals_at_end();
  exec->callback([=] {
    if (!command->empty() && command->front() == "--") command->erase(command->begin());
    *run = [=] { return run_exec(*name, *site, *command); };
  });
}

}  // namespace

void add_commands(CLI::App* app, std::function<int()>* run) {
  CLI::App* emulate = app->add_subcommand("emulate", "A WAN on this machine: sites in network namespaces, joined by links with delay, rate and loss");
  emulate->require_subcommand(1);
  auto name = std::make_shared<std::string>("default");
  add_up(emulate, name, run);
  add_set(emulate, name, run);
  add_exec(emulate, name, run);
  CLI::App* show = emulate->add_subcommand("show", "What the links carry and lose: a live view in a terminal");
  auto options = std::make_shared<ShowOptions>();
  show->add_flag("--json", options->json, "everything as JSON, once");
  show->add_flag("--once", options->once, "one picture only");
  show->callback([=] {
    options->name = *name;
    *run = [=] { return run_show(*options); };
  });
  CLI::App* down = emulate->add_subcommand("down", "End it");
  down->callback([=] { *run = [=] { return run_down(*name); }; });
  for (CLI::App* one : emulate->get_subcommands(nullptr)) one->add_option("--name", *name, "which emulator, where several run")->capture_default_str();
}

}  // namespace longhaul::emulate
