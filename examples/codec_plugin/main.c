/* SPDX-License-Identifier: Apache-2.0
 *
 * Two sites in this process average the same gradients again and again with the codec of topk.c, without and with error feedback,
 * and look at what the averages add up to. Exit status 1 where it is not what it should be.
 */
#include <longhaul/longhaul.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topk.h"

enum { kRanks = 3, kCount = 20000, kSteps = 400 };

static float gradients[kRanks][kCount], averages[kRanks][kCount];

static int failed(const char* what, lhResult_t result) {
  if (result == lhSuccess) return 0;
  fprintf(stderr, "codec_plugin: %s: %s: %s\n", what, lhGetErrorString(result), lhGetLastError(NULL));
  return 1;
}

/* One averaging on all ranks; 1 where it failed or ranks differ. */
static int step(const lhComm_t* comms, const lhCallConfig_t* options) {
  int rank;
  if (failed("group", lhGroupStart())) return 1;
  for (rank = 0; rank < kRanks; ++rank)
    if (failed("all-reduce", lhAllReduceEx(gradients[rank], averages[rank], kCount, lhFloat32, lhAvg, options, comms[rank], NULL, NULL))) return 1;
  if (failed("group end", lhGroupEnd())) return 1;
  for (rank = 1; rank < kRanks; ++rank) {
    if (memcmp(averages[rank], averages[0], sizeof averages[0]) == 0) continue;
    fprintf(stderr, "codec_plugin: ranks 0 and %d differ\n", rank);
    return 1;
  }
  return 0;
}

/* Relative error of the mean over all steps; negative where a step failed. */
static double error_of_mean(const lhComm_t* comms, const lhCallConfig_t* options) {
  static double sum[kCount];
  double error = 0, energy = 0;
  int i, rank;
  memset(sum, 0, sizeof sum);
  for (i = 0; i < kSteps; ++i) {
    int k;
    if (step(comms, options)) return -1;
    for (k = 0; k < kCount; ++k) sum[k] += (double)averages[0][k] / kSteps;
  }
  for (i = 0; i < kCount; ++i) {
    double exact = 0;
    for (rank = 0; rank < kRanks; ++rank) exact += (double)gradients[rank][i] / kRanks;
    error += (sum[i] - exact) * (sum[i] - exact);
    energy += exact * exact;
  }
  return sqrt(error / energy);
}

int main(void) {
  const int sizes[] = {2, 1};
  const lhCodecPlugin_t plugin = topk_plugin();
  lhComm_t comms[kRanks];
  lhCallConfig_t options = LH_CALL_CONFIG_INITIALIZER;
  lhStats_t stats = LH_STATS_INITIALIZER;
  double without, with;
  int rank, i;

  for (rank = 0; rank < kRanks; ++rank)
    for (i = 0; i < kCount; ++i) gradients[rank][i] = (float)((i * 2654435761u + (unsigned)rank * 40503u) % 20011u) / 20011.0f - 0.5f;
  if (failed("init", lhCommInitLoopback(comms, sizes, 2, NULL))) return 1;
  for (rank = 0; rank < kRanks; ++rank)
    if (failed("register", lhCommRegisterCodec(comms[rank], &plugin, &options.codec))) return 1;
  without = error_of_mean(comms, &options);
  options.tag = 1;
  options.errorFeedback = 1;
  with = error_of_mean(comms, &options);
  if (failed("statistics", lhCommGetStats(comms[0], &stats))) return 1;
  for (rank = 0; rank < kRanks; ++rank)
    if (failed("destroy", lhCommDestroy(comms[rank]))) return 1;
  if (without < 0 || with < 0) return 1;
  printf("mean of %d steps: relative error %.3f, with error feedback %.3f; %.4f bytes on the WAN for one byte of gradient\n", kSteps, without, with,
         (double)stats.wanBytesSent / (double)stats.payloadBytes);
  if (without > 0.5 && with < 0.3 && stats.wanBytesSent < stats.payloadBytes / 10) return 0;
  fprintf(stderr, "codec_plugin: that is not what top-k with error feedback gives\n");
  return 1;
}
