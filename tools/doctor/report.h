// SPDX-License-Identifier: Apache-2.0
// A report as people read it, and as programs do.
#pragma once

#include <string>

#include "doctor/measured.h"

namespace longhaul::doctor {

std::string text_of(const Report& report);
/// Times in ms, rates in bits a second.
std::string json_of(const Report& report);

}  // namespace longhaul::doctor
