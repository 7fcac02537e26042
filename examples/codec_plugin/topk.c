/* SPDX-License-Identifier: Apache-2.0
 *
 * A blob is one block after the other; a block of n values is n / 100 entries, rounded up, of a 16-bit index and an fp32 value,
 * largest magnitude first. Sizes follow from the count, so nothing else is written.
 */
#include "topk.h"

#include <math.h>
#include <string.h>

enum { kBlock = 1024, kMostKept = 11, kEntryBytes = 6 };

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
static size_t kept_of(size_t values) { return (values + 99) / 100; }

static size_t blob_bytes(size_t count) { return kEntryBytes * (count / kBlock * kMostKept + kept_of(count % kBlock)); }

/* Indices of the largest magnitudes; of equal ones the first. */
static void choose(const float* values, size_t count, uint16_t* index) {
  size_t chosen = 0, i, at;
  for (i = 0; i < count; ++i) {
    const float magnitude = fabsf(values[i]);
    if (chosen == kept_of(count)) {
      if (magnitude <= fabsf(values[index[chosen - 1]])) continue;
      --chosen;
    }
    for (at = chosen++; at > 0 && magnitude > fabsf(values[index[at - 1]]); --at) index[at] = index[at - 1];
    index[at] = (uint16_t)i;
  }
}

static lhResult_t encode(void* context, const float* values, size_t count, uint64_t seed, void* blob, size_t room, size_t* bytes) {
  unsigned char* out = blob;
  uint16_t index[kMostKept];
  size_t begin, k;
  (void)context;
  (void)seed;
  *bytes = blob_bytes(count);
  if (*bytes > room) return lhInternalError; /* cannot be: the plug-in declared it */
  for (begin = 0; begin < count; begin += kBlock) {
    const size_t block = smaller(count - begin, kBlock);
    choose(values + begin, block, index);
    for (k = 0; k < kept_of(block); ++k, out += kEntryBytes) {
      memcpy(out, &index[k], 2);
      memcpy(out + 2, &values[begin + index[k]], 4);
    }
  }
  return lhSuccess;
}

/* Anybody may have written these bytes: every index is checked before it is used. */
static lhResult_t decode_add(void* context, const void* blob, size_t bytes, size_t count, float* sum) {
  const unsigned char* in = blob;
  size_t begin, k;
  (void)context;
  if (bytes != blob_bytes(count)) return lhDataCorrupt;
  for (begin = 0; begin < count; begin += kBlock) {
    const size_t block = smaller(count - begin, kBlock);
    for (k = 0; k < kept_of(block); ++k, in += kEntryBytes) {
      uint16_t index;
      float value;
      memcpy(&index, in, 2);
      memcpy(&value, in + 2, 4);
      if (index >= block) return lhDataCorrupt;
      sum[begin + index] += value;
    }
  }
  return lhSuccess;
}

lhCodecPlugin_t topk_plugin(void) {
  lhCodecPlugin_t plugin = LH_CODEC_PLUGIN_INITIALIZER;
  plugin.name = "topk-1pct";
  plugin.format = 1;
  plugin.blockValues = kBlock;
  plugin.blockBytes = kMostKept * kEntryBytes;
  plugin.encode = encode;
  plugin.decodeAdd = decode_add;
  return plugin;
}
