// SPDX-License-Identifier: Apache-2.0
// longhaul_char_lm: the demo. Each site is its own mpirun job of this program; Longhaul joins them. See README.md here.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <longhaul/mpi.h>
#include <string>

#ifdef __linux__
#include <sys/prctl.h>

#include <csignal>
#endif

#include "longhaul_communicator.h"
#include "options.h"
#include "report.h"
#include "text.h"
#include "trainer.h"

namespace char_lm {
namespace {

/// mpirun killed the hard way leaves its ranks behind; these end with it.
void end_with_launcher() {
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
}

/// Every site's name by what its rank 0 calls it.
std::vector<std::string> site_names(Communicator& communicator) {
  struct Name {
    int site = 0;
    std::array<char, 32> text{};
  };
  Name mine{communicator.place().site, {}};
  if (const char* name = std::getenv("LONGHAUL_SITE")) std::snprintf(mine.text.data(), mine.text.size(), "%s", name);
  std::vector<std::string> names;
  for (Name& name : gather(communicator, mine)) {
    name.text.back() = '\0';
    const auto site = static_cast<std::size_t>(std::clamp(name.site, 0, communicator.place().ranks - 1));
    if (site >= names.size()) names.resize(site + 1);
    names[site] = name.text[0] != '\0' ? name.text.data() : "site " + std::to_string(site);
  }
  return names;
}

/// Returns whether all ranks ended every training with the same parameters.
bool train_all(LonghaulCommunicator& communicator, const Options& options) {
  const Shape shape;
  const Corpus corpus = read_corpus(options.texts, shape.context);
  Trainer trainer(communicator, corpus, shape, options.train);
  const Report report(options, communicator.place(), site_names(communicator));
  report.start(corpus, trainer.model().parameters().size(), trainer.model().buckets().size());
  std::vector<RunResult> runs;
  for (const Codec codec : options.codecs) {
    runs.push_back(trainer.run(codec, [&](const StepView& view) { report.step(view); }));
    report.finished(runs.back());
  }
  communicator.finalize();
  report.summary(runs);
  report.write_json(runs);
  return std::all_of(runs.begin(), runs.end(), [](const RunResult& run) { return run.identical(); });
}

lhComm_t connect_sites() {
  const lhConfig_t config = LH_CONFIG_INITIALIZER;
  lhComm_t comm = nullptr;
  const lhResult_t result = lhCommInitMPI(&comm, MPI_COMM_WORLD, &config);
  if (result == lhSuccess) return comm;
  throw Failure(std::string("cannot connect the sites: ") + lhGetErrorString(result) + ": " + lhGetLastError(nullptr));
}

int run(int argc, char** argv) {
  int mpi_rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &mpi_rank);
  int exit_code = 0;
  const std::optional<Options> options = parse_options(argc, argv, mpi_rank == 0, &exit_code);
  if (!options) return exit_code;
  try {
    LonghaulCommunicator communicator(connect_sites());
    return train_all(communicator, *options) ? 0 : 1;
  } catch (const std::exception& problem) {
    const char* site = std::getenv("LONGHAUL_SITE");
    std::fprintf(stderr, "longhaul_char_lm: %s, rank %d: %s\n", site != nullptr ? site : "?", mpi_rank, problem.what());
    // The job cannot go on, and MPI_Finalize could wait for ranks that are gone.
    MPI_Abort(MPI_COMM_WORLD, 1);
    return 1;
  }
}

}  // namespace
}  // namespace char_lm

int main(int argc, char** argv) {
  char_lm::end_with_launcher();
  int provided = MPI_THREAD_SINGLE;
  if (MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided) != MPI_SUCCESS) {
    std::fprintf(stderr, "longhaul_char_lm: cannot initialise MPI: start it with mpirun\n");
    return 1;
  }
  const int exit_code = char_lm::run(argc, argv);
  MPI_Finalize();
  return exit_code;
}
