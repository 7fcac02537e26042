// SPDX-License-Identifier: Apache-2.0
// longhaul: the command-line tools around the library.
#include <fmt/format.h>
#include <longhaul/longhaul.h>

#include <functional>

#include "doctor/cli.h"
#include "emulate/cli.h"

int main(int argc, char** argv) {
  CLI::App app("longhaul: tools for training across datacenters");
  app.require_subcommand(1);
  app.set_version_flag("--version", [] {
    int version = 0;
    lhGetVersion(&version);
    return fmt::format("longhaul {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
  });
  std::function<int()> run;
  longhaul::emulate::add_commands(&app, &run);
  longhaul::doctor::add_commands(&app, &run);
  CLI11_PARSE(app, argc, argv);
  return run ? run() : 1;
}
