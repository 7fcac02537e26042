// SPDX-License-Identifier: Apache-2.0
// Launcher variables; see launcher.h.
#include "config/launcher.h"

#include <array>
#include <limits>

#include "config/environment.h"
#include "config/suggest.h"
#include "config/units.h"

namespace longhaul::config {
namespace {

constexpr int kMaxSiteSize = 65536;
using Number = std::optional<int>;

struct Launcher {
  const char* rank;
  const char* size;      // may be null: it has none
  const char* evidence;  // only where this variable is set too; null: always
};

// torchrun under srun or mpirun: the outer launcher's variables are those of its agent, equal for all its workers.
// A PMIx server passes no size; srun does (and its SLURM_PROCID is wrong under a launcher that srun only started).
constexpr std::array<Launcher, 7> kLaunchers{{{"RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID"},
                                              {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", nullptr},
                                              {"PMI_RANK", "PMI_SIZE", nullptr},
                                              {"PMIX_RANK", "SLURM_NTASKS", nullptr},
                                              {"SLURM_PROCID", "SLURM_NTASKS", nullptr},
                                              {"RANK", "WORLD_SIZE", nullptr},
                                              {"PMIX_RANK", nullptr, nullptr}}};

Result<Number> number(const Environment& environment, const char* name) {
  const auto text = variable(environment, name);
  if (!text) return Number();
  auto value = parse_int(*text, 0, std::numeric_limits<int>::max());
  if (!value.ok()) return value.take_status().with(fmt::format("${}", name));
  return Number(*value);
}

struct Pair {
  Number rank, size;
};

Result<Pair> read_pair(const Environment& environment, const char* rank_name, const char* size_name) {
  Pair pair;
  auto rank = number(environment, rank_name);
  if (!rank.ok()) return rank.take_status();
  pair.rank = *rank;
  if (size_name == nullptr) return pair;
  auto size = number(environment, size_name);
  if (!size.ok()) return size.take_status();
  pair.size = *size;
  return pair;
}

// Rank and size always come from the same launcher: nested ones disagree.
Result<Pair> from_launcher(const Environment& environment) {
  for (const Launcher& launcher : kLaunchers) {
    if (launcher.evidence != nullptr && !variable(environment, launcher.evidence)) continue;
    auto pair = read_pair(environment, launcher.rank, launcher.size);
    if (!pair.ok() || (pair->rank && (pair->size || launcher.size == nullptr))) return pair;
  }
  return Pair{};
}

// What the caller wrote against what its communicator says.
Result<Number> agree(Number written, const std::optional<int>& given, const char* what, const char* name) {
  if (written && given && *written != *given) {
    return error(lhInvalidArgument, "{} {} contradicts the communicator, where it is {}: unset ${} and lhConfig_t.{}",
                 what, *written, *given, name, what);
  }
  return given ? Number(*given) : written;
}

Result<SitePlace> check(const Pair& pair) {
  if (!pair.rank && !pair.size) return SitePlace{};
  if (!pair.size) {
    return error(lhInvalidArgument,
                 "siteRank is {}, but the number of ranks of this site is not known: set $LONGHAUL_SITE_SIZE or "
                 "lhConfig_t.siteSize",
                 *pair.rank);
  }
  const int size = *pair.size;
  if (size < 1 || size > kMaxSiteSize) {
    return error(lhInvalidArgument, "siteSize {} is outside 1 to {}", size, kMaxSiteSize);
  }
  if (!pair.rank && size > 1) {
    return error(lhInvalidArgument,
                 "siteSize is {}, but which rank of the site this is is not known: set $LONGHAUL_SITE_RANK or "
                 "lhConfig_t.siteRank",
                 size);
  }
  const int rank = pair.rank.value_or(0);
  if (rank < 0 || rank >= size) {
    return error(lhInvalidArgument, "siteRank {} is outside 0 to {}: siteSize is {}", rank, size - 1, size);
  }
  return SitePlace{rank, size};
}

}  // namespace

Result<SitePlace> find_place(int struct_rank, int struct_size, const Environment& environment, const Given& given) {
  auto written = read_pair(environment, "LONGHAUL_SITE_RANK", "LONGHAUL_SITE_SIZE");
  if (!written.ok()) return written.take_status();
  if (!written->rank && struct_rank >= 0) written->rank = struct_rank;
  if (!written->size && struct_size >= 0) written->size = struct_size;

  auto rank = agree(written->rank, given.site_rank, "siteRank", "LONGHAUL_SITE_RANK");
  if (!rank.ok()) return rank.take_status();
  auto size = agree(written->size, given.site_size, "siteSize", "LONGHAUL_SITE_SIZE");
  if (!size.ok()) return size.take_status();
  Pair pair{*rank, *size};
  if (!pair.rank && pair.size == 1) pair.rank = 0;  // whatever the launcher counts, this site is this one process
  if (pair.rank && pair.size) return check(pair);

  auto launcher = from_launcher(environment);
  if (!launcher.ok()) return launcher.take_status();
  if (!pair.rank) pair.rank = launcher->rank;
  if (!pair.size) pair.size = launcher->size;
  return check(pair);
}

}  // namespace longhaul::config
