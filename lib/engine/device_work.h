// SPDX-License-Identifier: Apache-2.0
// DeviceWork: what ChunkWork does with codecs on the CPU, done by kernels on the GPU, for chunks of calls on device memory: the same bytes, so
// that ranks need not do it the same way. The host moves what crosses the WAN, which is smaller than the values: blobs from pinned memory
// to a send slot, arrived blobs to pinned memory.
//
//   collecting stream   collect | encode | blobs, control to pinned memory      refused? the coding stream encodes once more, as bf16
//   coding stream       blobs of other sites to the GPU | decode + add all sites, to where the part is delivered
#pragma once

#include "engine/chunk_run.h"
#include "site/nccl/nccl_group.h"

namespace longhaul::engine {

class DeviceWork {
 public:
  DeviceWork(const ChunkWork& work, link::BlobPool* blobs, site::NcclGroup* device) : work_(work), blobs_(blobs), device_(device) {}

  /// A chunk that NcclGroup::start() has just taken: prepares its encoding where kernels can do it.
  void prepare(ChunkRun* run);
  /// For a chunk that is Slot::by_gpu and collected: this rank's contribution, as ChunkWork::collect().
  site::Collected collect(ChunkRun* run);
  /// Of all contributions; true once the finished part is where it is delivered.
  bool combine(ChunkRun* run);

  std::uint64_t chunks() const { return chunks_; }  ///< so far

 private:
  bool takes(const ChunkRun& run) const;
  void encode_as(ChunkRun* run, const codec::Codec& codec) const;
  void start_combining(ChunkRun* run) const;

  const ChunkWork& work_;
  link::BlobPool* blobs_;
  site::NcclGroup* device_;
  std::uint64_t chunks_ = 0;
};

}  // namespace longhaul::engine
