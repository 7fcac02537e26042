/* SPDX-License-Identifier: Apache-2.0
 *
 * Uses an installed Longhaul from C99: two sites in this process, one sum. Also that the library loaded is the one the
 * header belongs to.
 */
#include <longhaul/longhaul.h>
#include <stdio.h>

static int failed(const char* what, lhResult_t result) {
  if (result == lhSuccess) return 0;
  fprintf(stderr, "consumer: %s: %s: %s\n", what, lhGetErrorString(result), lhGetLastError(NULL));
  return 1;
}

int main(void) {
  const int sizes[] = {1, 1};
  lhComm_t comms[2];
  float values[] = {1, 2};
  lhCallConfig_t options = LH_CALL_CONFIG_INITIALIZER;
  int version = 0, rank = 0;
  lhResult_t result = lhSuccess;

  if (failed("version", lhGetVersion(&version))) return 1;
  if (version != LH_VERSION_CODE) {
    fprintf(stderr, "consumer: library %d, header %d\n", version, LH_VERSION_CODE);
    return 1;
  }
  if (failed("init", lhCommInitLoopback(comms, sizes, 2, NULL))) return 1;
  options.timeoutMs = 30000;
  if (failed("group", lhGroupStart())) return 1;
  for (rank = 0; rank < 2; ++rank) {
    result = lhAllReduceEx(&values[rank], &values[rank], 1, lhFloat32, lhSum, &options, comms[rank], NULL, NULL);
    if (failed("all-reduce", result)) return 1;
  }
  if (failed("group end", lhGroupEnd())) return 1;
  for (rank = 0; rank < 2; ++rank)
    if (failed("destroy", lhCommDestroy(comms[rank]))) return 1;
  if (values[0] != 3 || values[1] != 3) {
    fprintf(stderr, "consumer: sums %g and %g, expected 3\n", (double)values[0], (double)values[1]);
    return 1;
  }
  printf("consumer: longhaul %d, sum %g\n", version, (double)values[0]);
  return 0;
}
