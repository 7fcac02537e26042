// SPDX-License-Identifier: Apache-2.0
// What follows from the options: rows, site sizes, mode.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <initializer_list>

#include "benchmarks/options.h"
#include "benchmarks/types.h"

namespace longhaul::perf {
namespace {

const char* first_set(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const char* value = std::getenv(name)) return value;
  }
  return nullptr;
}

}  // namespace

std::vector<std::uint64_t> sizes(const Options& options) {
  std::vector<std::uint64_t> list;
  for (std::uint64_t size = options.min_bytes; size <= options.max_bytes;) {
    list.push_back(size);
    std::uint64_t next = size + options.step_bytes;
    if (options.step_factor > 1) {
      next = static_cast<std::uint64_t>(std::llround(static_cast<double>(size) * options.step_factor));
    }
    size = std::max(next, size + 1);  // a factor near 1, or size 0, must still move
  }
  return list;
}

std::vector<Case> cases(const Options& options) {
  std::vector<Case> rows;
  for (const lhDataType_t type : options.types) {
    for (const lhRedOp_t op : options.ops) {
      std::vector<lhCodec_t> done;
      for (const lhCodec_t asked : options.codecs) {
        const lhCodec_t codec = effective_codec(asked, type, op);
        if (std::find(done.begin(), done.end(), codec) != done.end()) continue;
        done.push_back(codec);
        for (const std::uint64_t size : sizes(options)) rows.push_back({type, op, codec, size / type_size(type)});
      }
    }
  }
  return rows;
}

std::vector<int> site_sizes(int ranks, int sites) {
  std::vector<int> list;
  for (int s = 0; s < sites; ++s) list.push_back(ranks / sites + (s < ranks % sites ? 1 : 0));
  return list;
}

Mode choose_mode(const Options& options, bool launched, bool configured) {
  const bool sites_asked = options.sites > 0;
  if (!sites_asked && configured) return Mode::Configured;
  return launched ? Mode::Split : Mode::Loopback;
}

bool under_launcher() { return first_set({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS", "WORLD_SIZE"}); }

int launcher_rank() {
  const char* rank = first_set({"OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID", "RANK"});
  return under_launcher() && rank ? std::atoi(rank) : 0;
}

int launcher_local_rank() {
  const char* rank = first_set({"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID", "LOCAL_RANK"});
  return under_launcher() && rank ? std::atoi(rank) : 0;
}

bool has_configuration() { return first_set({"LONGHAUL_CONFIG", "LONGHAUL_SITES"}) != nullptr; }

}  // namespace longhaul::perf
