// SPDX-License-Identifier: Apache-2.0
// How long does MPI_Allreduce take? Started by mpirun, one launch over all sites.
#include <mpi.h>

#include <array>
#include <cstdio>
#include <limits>

#include "benchmarks/peers/peer.h"

namespace longhaul::perf {
namespace {

class MpiPeer final : public Peer {
 public:
  MpiPeer() {
    MPI_Init(nullptr, nullptr);  // errors of later calls end the job, as is MPI's default
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    MPI_Comm node = MPI_COMM_NULL;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node);
    MPI_Comm_size(node, &ranks_on_node_);
    MPI_Comm_free(&node);
  }
  ~MpiPeer() override { MPI_Finalize(); }
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void barrier() override { MPI_Barrier(MPI_COMM_WORLD); }
  void all_gather(const void* mine, void* all, std::size_t bytes) override {
    MPI_Allgather(mine, static_cast<int>(bytes), MPI_BYTE, all, static_cast<int>(bytes), MPI_BYTE, MPI_COMM_WORLD);
  }
  nlohmann::json describe() const override {
    std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
    int length = 0;
    MPI_Get_library_version(text.data(), &length);
    const std::string version(text.data(), static_cast<std::size_t>(length));
    return {{"library", version.substr(0, version.find(','))}, {"ranks_on_node", ranks_on_node_}};
  }
  void bind(std::span<const float> input, std::span<float> output) override {
    input_ = input;
    output_ = output;
  }
  /// Out of place, as in the row of all_reduce_perf that it is put beside.
  void all_reduce() override {
    MPI_Allreduce(input_.data(), output_.data(), static_cast<int>(output_.size()), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
  }

 private:
  int rank_ = 0, size_ = 0, ranks_on_node_ = 0;
  std::span<const float> input_;
  std::span<float> output_;
};

}  // namespace
}  // namespace longhaul::perf

int main(int argc, char** argv) {
  using namespace longhaul::perf;
  CLI::App app("Measures MPI_Allreduce of fp32 sums; start it with mpirun");
  PeerOptions options;
  add_options(&app, &options);
  CLI11_PARSE(app, argc, argv);
  if (options.bytes / sizeof(float) > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    std::fprintf(stderr, "mpi_all_reduce: --bytes: MPI counts elements in an int: at most 8589934588\n");
    return 1;
  }
  MpiPeer peer;
  try {
    return run_peer(options, &peer);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "mpi_all_reduce: rank %d: %s\n", peer.rank(), failure.what());
    MPI_Abort(MPI_COMM_WORLD, 1);  // the others wait inside MPI
  }
  return 1;
}
