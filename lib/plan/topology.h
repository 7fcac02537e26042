// SPDX-License-Identifier: Apache-2.0
// Who is where: sites, their sizes, site-major ranks. A pure value.
#pragma once

#include <vector>

namespace longhaul::plan {

class Topology {
 public:
  explicit Topology(std::vector<int> site_sizes) : sizes_(std::move(site_sizes)) {
    for (int size : sizes_) {
      first_.push_back(ranks_);
      ranks_ += size;
    }
  }

  int ranks() const { return ranks_; }
  int sites() const { return static_cast<int>(sizes_.size()); }
  int size_of(int site) const { return sizes_[static_cast<std::size_t>(site)]; }
  int first_rank(int site) const { return first_[static_cast<std::size_t>(site)]; }
  int rank(int site, int site_rank) const { return first_rank(site) + site_rank; }
  int site_of(int rank) const {
    int site = sites() - 1;
    while (first_rank(site) > rank) --site;
    return site;
  }
  int site_rank_of(int rank) const { return rank - first_rank(site_of(rank)); }
  const std::vector<int>& sizes() const { return sizes_; }
  bool equal_sizes() const {
    for (int size : sizes_)
      if (size != sizes_.front()) return false;
    return true;
  }

 private:
  std::vector<int> sizes_;
  std::vector<int> first_;
  int ranks_ = 0;
};

}  // namespace longhaul::plan
