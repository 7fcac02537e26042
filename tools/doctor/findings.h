// SPDX-License-Identifier: Apache-2.0
// From numbers to advice. Pure.
#pragma once

#include <string>
#include <vector>

#include "doctor/measured.h"

namespace longhaul::doctor {

struct Finding {
  std::string where{};  ///< the site to type at; "every site"; empty: nothing to type
  std::string problem{};
  std::string command{};
  std::string gain{};
  bool wrong = true;  ///< false: worth knowing
  std::string key{};  ///< of two findings with equal key and site the one that weighs more is kept
  double weight = 0;
};

/// The fewest streams that come within 5 % of the best, the slower way counting; nullptr: no capacity was measured.
const Capacity* enough(const Measured& measured);
/// Bits a second of those, the slower way.
double best_rate(const Measured& measured);

/// What is wrong first. Equal findings of several links are one.
std::vector<Finding> find(const Report& report);
/// "The link carries 953 Mbit/s at 80 ms; one thing is wrong."
std::string verdict(const Report& report);
/// Lines of a [wan] table; empty: nothing was measured.
std::string proposal(const Report& report);

}  // namespace longhaul::doctor
