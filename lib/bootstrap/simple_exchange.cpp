// SPDX-License-Identifier: Apache-2.0
// The in-site exchanges that need no socket: a site of one rank, and the caller's all-gather callback.
#include <algorithm>
#include <array>

#include "bootstrap/bootstrap.h"
#include "bootstrap/peer_hello.h"

namespace longhaul::bootstrap {
namespace {

class SingleExchange final : public SiteExchange {
 public:
  Result<std::vector<std::vector<std::byte>>> all_gather(ConstBytes mine, TimeNs) override {
    return std::vector<std::vector<std::byte>>{{mine.begin(), mine.end()}};
  }
};

/// The callback moves blocks of one size: sizes first, then blobs padded to the largest. It blocks as long as it likes.
class OobExchange final : public SiteExchange {
 public:
  OobExchange(const lhOob_t& oob, int site_size)
      : oob_(oob), ranks_(static_cast<std::size_t>(std::max(site_size, 1))) {}

  Result<std::vector<std::vector<std::byte>>> all_gather(ConstBytes mine, TimeNs) override {
    if (oob_.allgather == nullptr) return error(lhInvalidArgument, "oob.allgather is null");
    std::vector<std::uint64_t> sizes;
    if (Status status = gather_sizes(mine.size(), &sizes); !status.ok()) return status;
    const std::size_t largest = *std::max_element(sizes.begin(), sizes.end());
    std::vector<std::byte> padded(mine.begin(), mine.end());
    padded.resize(largest);
    std::vector<std::byte> all(largest * ranks_);
    // Every rank knows all sizes, so all of them leave this out or none does.
    if (largest > 0) {
      if (Status status = call(padded, all); !status.ok()) return status;
    }
    std::vector<std::vector<std::byte>> result;
    for (std::size_t rank = 0; rank < ranks_; ++rank) {
      const ConstBytes blob = ConstBytes(all).subspan(rank * largest, sizes[rank]);
      result.emplace_back(blob.begin(), blob.end());
    }
    return result;
  }

 private:
  Status gather_sizes(std::size_t own, std::vector<std::uint64_t>* sizes) {
    std::array<std::byte, sizeof(std::uint64_t)> mine;
    ByteWriter(mine).u64(own);
    std::vector<std::byte> all(mine.size() * ranks_);
    if (Status status = call(mine, all); !status.ok()) return status;
    ByteReader reader(all);
    for (std::size_t rank = 0; rank < ranks_; ++rank) {
      sizes->push_back(reader.u64());
      if (sizes->back() > kMaxBlobBytes ||
          (rank == ranks_ - 1 && *std::max_element(sizes->begin(), sizes->end()) < own)) {
        return error(lhInvalidArgument,
                     "oob.allgather says siteRank {} exchanges {} bytes: at most {} are possible. Does it gather "
                     "siteSize * bytes in siteRank order?",
                     rank, sizes->back(), kMaxBlobBytes);
      }
    }
    return {};
  }

  Status call(ConstBytes mine, Bytes all) {
    const int code = oob_.allgather(oob_.context, mine.data(), all.data(), mine.size());
    if (code == 0) return {};
    return error(lhSystemError, "oob.allgather failed with {}", code);
  }

  lhOob_t oob_;
  std::size_t ranks_;
};

}  // namespace

std::unique_ptr<SiteExchange> make_single_exchange() { return std::make_unique<SingleExchange>(); }

std::unique_ptr<SiteExchange> make_oob_exchange(const lhOob_t& oob, int site_size) {
  return std::make_unique<OobExchange>(oob, site_size);
}

}  // namespace longhaul::bootstrap
