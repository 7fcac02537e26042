// SPDX-License-Identifier: Apache-2.0
// The doctor of one site of a configuration, from its start to the report.
//
//   coordinator (first site)             another site
//     <- either dials: Control ->
//   {"do": "facts"}              ------>
//                                <------  {"facts": Facts, "instance": n}
//   {"do": "say", "text": t}     ------>  prints it
//   {"do": "sweep", "site": j, "host": h, "ports": [...]}  ------>
//                                <------  {"sweep": Sweep}
//   {"do": "measure", "site": j, "seconds": s, "streams": [...]}  ------>
//                                <------  {"say": t} ..., then {"measured": Measured} or {"failed": t}
//   {"do": "report", "report": Report} or {"do": "end", "text": t}  ------>
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "doctor/conversation.h"
#include "doctor/measure.h"
#include "doctor/meeting.h"

namespace longhaul::doctor {

struct SiteOptions {
  MeasureOptions measure;
  TimeNs wait = 120 * kSecond;  ///< for the other sites
};

/// What the roles share: who this is, and where it listens.
struct Post {
  config::Config config;
  Self self;
  std::vector<int> ports, taken;

  int own() const { return config.site; }
  std::string name(int site) const { return config.sites[static_cast<std::size_t>(site)].name; }
  const config::HostPort& address(int site) const { return config.sites[static_cast<std::size_t>(site)].address; }
  /// "atlanta (10.0.2.1:47000) has not come within 120 s: no answer. Does ... run there?"
  Status absent(int site, TimeNs waited, const Status& problem) const;
  /// `socket`: one to another site.
  Facts facts(const Fd& socket) const;
};

/// The whole of it, at any site; every site gets the same report. `tell` may be called from several threads.
Result<Report> examine(const config::Config& config, const SiteOptions& options, const Tell& tell);

/// As the first site: gathers the others, has one pair after the other measured, tells everybody the report.
Result<Report> coordinate(const Post& post, const SiteOptions& options, Meeting* meeting, const Tell& tell);
/// As another site: does what the coordinator asks for.
Result<Report> follow(const Post& post, TimeNs wait, Meeting* meeting, const Tell& tell);

}  // namespace longhaul::doctor
