// SPDX-License-Identifier: Apache-2.0
// siteRank and siteSize: who says them, and who wins.
#include "config/launcher.h"

#include "config_support.h"
#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::config;
using longhaul::config::test::contains;
using longhaul::config::test::environment_of;
using longhaul::config::test::Variables;

namespace {

void expect(const Result<SitePlace>& place, int rank, int size) {
  INFO(place.status().text());
  REQUIRE(place.ok());
  CHECK(place->rank == rank);
  CHECK(place->size == size);
}

Result<SitePlace> find(const Variables& variables, int rank = -1, int size = -1, const Given& given = {}) {
  return find_place(rank, size, environment_of(variables), given);
}

std::string failure(const Result<SitePlace>& place) {
  REQUIRE_FALSE(place.ok());
  CHECK(place.status().code() == lhInvalidArgument);
  return place.status().text();
}

}  // namespace

TEST_CASE("every launcher is understood", "[unit][config]") {
  expect(find({}), 0, 1);
  expect(find({{"OMPI_COMM_WORLD_RANK", "3"}, {"OMPI_COMM_WORLD_SIZE", "4"}}), 3, 4);
  expect(find({{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}}), 1, 2);
  expect(find({{"SLURM_PROCID", "5"}, {"SLURM_NTASKS", "8"}}), 5, 8);
  expect(find({{"RANK", "2"}, {"WORLD_SIZE", "3"}}), 2, 3);
  expect(find({{"PMIX_RANK", "1"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}}), 1, 2);
  expect(find({{"PMIX_RANK", "1"}, {"LONGHAUL_SITE_SIZE", "2"}}), 1, 2);
}

TEST_CASE("rank and size come from one launcher", "[unit][config]") {
  expect(find({{"OMPI_COMM_WORLD_RANK", "1"},
               {"OMPI_COMM_WORLD_SIZE", "2"},
               {"PMI_RANK", "0"},
               {"PMI_SIZE", "9"},
               {"SLURM_PROCID", "7"},
               {"SLURM_NTASKS", "8"}}),
         1, 2);
  expect(find({{"SLURM_PROCID", "7"}, {"SLURM_NTASKS", "8"}, {"RANK", "0"}, {"WORLD_SIZE", "4"}}), 7, 8);
  // torchrun started by srun: the workers' own variables count.
  expect(find({{"SLURM_PROCID", "1"},
               {"SLURM_NTASKS", "2"},
               {"RANK", "6"},
               {"WORLD_SIZE", "16"},
               {"TORCHELASTIC_RUN_ID", "x"}}),
         6, 16);
  // A rank without a size is no launcher.
  expect(find({{"OMPI_COMM_WORLD_RANK", "1"}, {"RANK", "2"}, {"WORLD_SIZE", "3"}}), 2, 3);
  expect(find({{"OMPI_COMM_WORLD_RANK", ""}, {"OMPI_COMM_WORLD_SIZE", ""}}), 0, 1);
}

TEST_CASE("LONGHAUL_SITE_* over the struct over the launcher", "[unit][config]") {
  const Variables launcher{{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "4"}};
  expect(find(launcher, 2), 2, 4);
  expect(find(launcher, -1, 3), 1, 3);
  expect(find(launcher, 2, 3), 2, 3);
  Variables both = launcher;
  both["LONGHAUL_SITE_RANK"] = "0";
  expect(find(both, 2, 3), 0, 3);
  both["LONGHAUL_SITE_SIZE"] = "2";
  expect(find(both, 2, 3), 0, 2);
  // Each process its own site, started by one mpirun.
  expect(find({{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}, {"LONGHAUL_SITE_SIZE", "1"}}), 0, 1);
}

TEST_CASE("a communicator is not contradicted", "[unit][config]") {
  const Given given{.site_rank = 1, .site_size = 2, .in_site_exchange = true};
  expect(find({{"OMPI_COMM_WORLD_RANK", "3"}, {"OMPI_COMM_WORLD_SIZE", "4"}}, -1, -1, given), 1, 2);
  expect(find({}, 1, 2, given), 1, 2);
  CHECK(contains(failure(find({}, 0, -1, given)), "siteRank 0 contradicts the communicator, where it is 1"));
  CHECK(contains(failure(find({{"LONGHAUL_SITE_SIZE", "3"}}, -1, -1, given)),
                 "siteSize 3 contradicts the communicator, where it is 2: unset $LONGHAUL_SITE_SIZE"));
}

TEST_CASE("places that make no sense", "[unit][config]") {
  CHECK(contains(failure(find({{"LONGHAUL_SITE_RANK", "0"}})), "number of ranks of this site is not known"));
  CHECK(contains(failure(find({{"PMIX_RANK", "0"}})), "set $LONGHAUL_SITE_SIZE"));
  CHECK(contains(failure(find({{"LONGHAUL_SITE_SIZE", "2"}})), "which rank of the site this is is not known"));
  CHECK(contains(failure(find({}, 2, 2)), "siteRank 2 is outside 0 to 1: siteSize is 2"));
  CHECK(contains(failure(find({}, 0, 0)), "siteSize 0 is outside 1"));
  CHECK(contains(failure(find({}, 0, 2000000000)), "siteSize 2000000000 is outside 1 to 65536"));
  CHECK(contains(failure(find({{"LONGHAUL_SITE_RANK", "one"}})), "$LONGHAUL_SITE_RANK: 'one' is not a whole number"));
  CHECK(contains(failure(find({{"LONGHAUL_SITE_RANK", "-1"}})), "$LONGHAUL_SITE_RANK"));
  CHECK(contains(failure(find({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "many"}})), "$SLURM_NTASKS: 'many'"));
}
