/* SPDX-License-Identifier: Apache-2.0
 *
 * Longhaul with MPI: one mpirun per site. Needs the MPI the library was built with (same implementation).
 */
#ifndef LONGHAUL_MPI_H
#define LONGHAUL_MPI_H

#include <longhaul/longhaul.h>
#include <mpi.h>

#ifdef __cplusplus
extern "C" {
#endif

/* As lhCommInit for the ranks of `site`, which are the ranks of one site: rank and size come from it (siteRank, siteSize of
 * `config` are ignored), and so does the in-site exchange. Collective over `site`. MPI must be initialised. Reductions inside
 * the site go through a duplicate of `site` where MPI_THREAD_MULTIPLE was granted, else through shared memory. `config` may
 * be NULL (everything from the environment). lhUnsupported where the library was built without MPI or the process has
 * no MPI. `site` stays the caller's. */
LH_API lhResult_t lhCommInitMPI(lhComm_t* comm, MPI_Comm site, const lhConfig_t* config);

#ifdef __cplusplus
}
#endif
#endif /* LONGHAUL_MPI_H */
