// SPDX-License-Identifier: Apache-2.0
// char_lm_codecs: what does a codec do to a training? The demo's model at two sites of one rank in this process, one training for each codec;
// prints one JSON object a training. With --gradients also writes rank 0's own gradients of some steps, raw fp32.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "longhaul_communicator.h"
#include "options.h"
#include "text.h"
#include "trainer.h"

namespace {

using namespace char_lm;

constexpr int kSites = 2;

struct Arguments {
  Options options;
  std::string gradients;         ///< folder; empty: none
  std::set<int> gradient_steps{1, 10, 100, 500};
};

/// FOLDER/char_lm.stepN.f32, of one rank.
class GradientFiles {
 public:
  GradientFiles(std::string folder, std::set<int> steps) : folder_(std::move(folder)), steps_(std::move(steps)) {}
  void write(int step, const float* values, std::size_t count) {
    if (!steps_.contains(step)) return;
    const std::string name = folder_ + "/char_lm.step" + std::to_string(step) + ".f32";
    std::ofstream file(name, std::ios::binary | (step == last_ ? std::ios::app : std::ios::trunc));
    file.write(reinterpret_cast<const char*>(values), static_cast<std::streamsize>(count * sizeof(float)));
    file.close();
    if (!file) throw Failure("cannot write the gradient to '" + name + "': does the folder exist?");
    last_ = step;
  }

 private:
  std::string folder_;
  std::set<int> steps_;
  int last_ = 0;
};

nlohmann::json to_json(const RunResult& run, const TrainOptions& options) {
  return {{"codec", name_of(run.codec)},       {"seed", options.seed},
          {"steps", options.steps},            {"batch_per_rank", options.batch},
          {"held_out_loss", run.held_out_loss}, {"step_seconds", run.step_seconds},
          {"wire_bytes_per_step", run.wire_per_step}, {"gradient_values", run.gradient_values},
          {"parameter_hash", run.parameter_hash}, {"identical", run.identical()}};
}

/// One rank's part of all trainings. Rank 0 speaks.
void train(lhComm_t comm, const Arguments& arguments, const Corpus& corpus) {
  LonghaulCommunicator communicator(comm);
  TrainOptions options = arguments.options.train;
  GradientFiles files(arguments.gradients, arguments.gradient_steps);
  if (communicator.place().rank == 0 && !arguments.gradients.empty())
    options.on_gradient = [&](int step, const Range& bucket, const float* values) { files.write(step, values, bucket.count); };
  Trainer trainer(communicator, corpus, Shape{}, options);
  for (const Codec codec : arguments.options.codecs) {
    const RunResult run = trainer.run(codec, [](const StepView&) {});
    if (communicator.place().rank != 0) continue;
    std::printf("%s\n", to_json(run, options).dump().c_str());
    std::fflush(stdout);
  }
  communicator.finalize();
}

int run(const Arguments& arguments) {
  const Corpus corpus = read_corpus(arguments.options.texts, Shape{}.context);
  const int sizes[kSites] = {1, 1};
  std::vector<lhComm_t> comms(kSites);
  if (lhCommInitLoopback(comms.data(), sizes, kSites, nullptr) != lhSuccess) throw Failure(lhGetLastError(nullptr));
  std::vector<std::string> problems(kSites);
  std::vector<std::thread> threads;
  for (std::size_t rank = 0; rank < kSites; ++rank)
    threads.emplace_back([&, rank] {
      try {
        train(comms[rank], arguments, corpus);
      } catch (const std::exception& problem) {
        problems[rank] = problem.what();
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& problem : problems)
    if (!problem.empty()) throw Failure(problem);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Trains the demo's model at two loopback sites, once a codec; one line of JSON a training.", "char_lm_codecs");
  std::map<std::string, Codec> codecs;
  for (const CodecRow& row : kCodecs) codecs[row.name] = row.codec;
  TrainOptions& train = arguments.options.train;
  train.steps = 500;
  train.timing_rounds = 1;
  app.add_option("--steps", train.steps, "training steps a codec")->check(CLI::Range(1, 100000));
  app.add_option("--batch", train.batch, "examples a rank and step")->check(CLI::Range(1, 4096));
  app.add_option("--seed", train.seed, "start of parameters and examples");
  app.add_option("--codecs", arguments.options.codecs, "such as none,i8,r2+ef (ef: with error feedback)")
      ->delimiter(',')
      ->transform(CLI::CheckedTransformer(codecs));
  app.add_option("--text", arguments.options.texts, "text files to learn (default: licences in /usr/share/common-licenses)");
  app.add_option("--gradients", arguments.gradients, "existing folder for rank 0's gradients of the first codec's training");
  app.add_option("--gradient-steps", arguments.gradient_steps, "steps whose gradients are written")->delimiter(',');
  CLI11_PARSE(app, argc, argv);
  if (arguments.options.texts.empty()) arguments.options.texts = default_texts();
  if (!arguments.gradients.empty()) arguments.options.codecs = {arguments.options.codecs.at(0)};
  try {
    return run(arguments);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "char_lm_codecs: %s\n", problem.what());
    return 1;
  }
}
