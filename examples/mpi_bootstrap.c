/* SPDX-License-Identifier: Apache-2.0
 *
 * C99 with MPI: one mpirun for each site, and Longhaul between them. MPI tells who the ranks of this site are;
 * LONGHAUL_CONFIG and LONGHAUL_SITE tell the rest. See README.md for the commands.
 */
#include <longhaul/mpi.h>
#include <stdio.h>
#include <stdlib.h>

/* A failure of one rank is a failure of the job: the others would only wait for it. */
static void check(lhResult_t result, const char* what) {
  if (result == lhSuccess) return;
  fprintf(stderr, "mpi_bootstrap: %s: %s: %s\n", what, lhGetErrorString(result), lhGetLastError(NULL));
  MPI_Abort(MPI_COMM_WORLD, 1);
  exit(1);
}

int main(int argc, char** argv) {
  lhComm_t comm = NULL;
  int threads = 0, rank = 0, ranks = 0, site = 0;
  double mean = 0;

  /* MPI_THREAD_MULTIPLE lets Longhaul reduce inside the site through MPI; without it it uses shared memory. */
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &threads);
  check(lhCommInitMPI(&comm, MPI_COMM_WORLD, NULL), "cannot join the job");
  check(lhCommUserRank(comm, &rank), "no rank");
  check(lhCommCount(comm, &ranks), "no size");
  check(lhCommSite(comm, &site), "no site");

  mean = rank;
  check(lhAllReduce(&mean, &mean, 1, lhFloat64, lhAvg, comm, NULL), "cannot average");
  printf("rank %d of %d: site %d, mean rank %g\n", rank, ranks, site, mean);

  check(lhCommFinalize(comm), "cannot finish together");
  check(lhCommDestroy(comm), "cannot free");
  MPI_Finalize();
  return 0;
}
