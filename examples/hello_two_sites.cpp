// SPDX-License-Identifier: Apache-2.0
// The smallest job: joins by what the environment says (LONGHAUL_CONFIG, LONGHAUL_SITE, ...), sums the ranks' numbers
// over all sites and prints one line. No MPI; see README.md for the commands.
#include <cstdio>
#include <longhaul/longhaul.hpp>

int main() try {
  longhaul::Communicator comm = longhaul::Communicator::init();  // blocks until every rank of every site is here

  std::vector<float> values(1000, static_cast<float>(comm.rank() + 1));
  comm.all_reduce(values);  // in place; the sum over all ranks

  std::printf("rank %d of %d: site %d of %d, rank %d of %d there, sum %g\n", comm.rank(), comm.size(), comm.site(),
              comm.site_count(), comm.site_rank(), comm.site_size(), static_cast<double>(values.front()));
  comm.finalize();  // nobody leaves before all are done
  return 0;
} catch (const longhaul::Error& error) {
  std::fprintf(stderr, "hello_two_sites: %s\n", error.what());
  return 1;
}
