// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/machine.h"

#include <unistd.h>

#include <array>
#include <fstream>

namespace longhaul::bootstrap {

std::string machine_identity() {
  std::string identity;
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  if (std::getline(file, identity) && !identity.empty()) return identity;
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

}  // namespace longhaul::bootstrap
