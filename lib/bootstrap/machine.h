// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace longhaul::bootstrap {

/// A text that is equal for processes of one running machine (the kernel's boot id) and different elsewhere. Whether two
/// processes can really share memory is found out by trying.
std::string machine_identity();

}  // namespace longhaul::bootstrap
