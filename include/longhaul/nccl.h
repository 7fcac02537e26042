/* SPDX-License-Identifier: Apache-2.0
 *
 * Longhaul with an NCCL communicator that a program or framework already has. Needs no nccl.h: an ncclComm_t is a
 * struct ncclComm*.
 */
#ifndef LONGHAUL_NCCL_H
#define LONGHAUL_NCCL_H

#include <longhaul/longhaul.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ncclComm;

/* As lhCommInit for the ranks of `site` (an ncclComm_t), which are the ranks of one site: rank, size and device come from it (siteRank,
 * siteSize and siteAddress of `config` are ignored; device must be -1 or the same), and ranks of the site find each other through it.
 * Collective over `site`, on which nothing else may be called until the initialisation is done. `site` stays the caller's: Longhaul makes two
 * communicators of its own from it (ncclCommSplit) and never uses it again. `config` may be NULL (everything from the environment).
 * lhUnsupported where the process has no NCCL, or one older than 2.19. */
LH_API lhResult_t lhCommInitNccl(lhComm_t* comm, struct ncclComm* site, const lhConfig_t* config);

#ifdef __cplusplus
}
#endif
#endif /* LONGHAUL_NCCL_H */
