// SPDX-License-Identifier: Apache-2.0
// Data-parallel training: every rank computes the gradient of its own examples, the gradients are averaged bucket by
// bucket while the backward pass goes on, and every rank takes the same optimiser step.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "communicator.h"
#include "model.h"
#include "text.h"

namespace char_lm {

struct TrainOptions {
  int steps = 80;
  std::size_t batch = 32;  ///< examples a rank and step
  float learning_rate = 2e-3F;
  std::uint64_t seed = 1;
  int evaluation_batches = 16;
  /// Sees every bucket of this rank's own gradient before it is averaged; may be empty.
  std::function<void(int step, const Range& bucket, const float* values)> on_gradient = {};
  int timing_rounds = 10;  ///< all-reduces of the last gradient, timed without computing
};

/// One training step as every rank sees it.
struct StepView {
  Codec codec = Codec::None;
  int step = 0;
  int steps = 0;
  std::vector<float> site_loss;  ///< mean over the site's ranks, of the examples of this step
  double seconds = 0;
  double wait_share = 0;  ///< part of the step in which this rank only waited for averaged gradients
};

struct RunResult {
  Codec codec = Codec::None;
  std::vector<float> first_loss;     ///< by site, first step
  std::vector<float> held_out_loss;  ///< by site, measured by the site's rank 0 after the last step
  double step_seconds = 0;           ///< median
  double step_error = 0;             ///< standard error of that median, from the spread of the steps
  double wait_share = 0;             ///< median
  double payload_per_step = 0;       ///< bytes before the codec, all ranks of this rank's site
  double wire_per_step = 0;          ///< bytes this rank's site sent over the WAN
  double exchange_seconds = 0;       ///< one all-reduce of the whole gradient on its own, median
  double exchange_wire = 0;          ///< bytes this rank's site sent for it
  double gradient_values = 0;
  std::vector<std::uint64_t> parameter_hash;  ///< by rank
  bool identical() const;
};

class Trainer {
 public:
  /// Throws Failure when the ranks do not have the same text.
  Trainer(Communicator& communicator, const Corpus& corpus, const Shape& shape, const TrainOptions& options);

  /// A whole training from the same start; `on_step` hears of every step.
  RunResult run(Codec codec, const std::function<void(const StepView&)>& on_step);

  int sites() const { return static_cast<int>(ranks_at_site_.size()); }
  Model& model() { return model_; }

 private:
  StepView step(Codec codec, int index, class Adam& optimiser);
  float evaluate();
  void time_exchange(Codec codec, RunResult& result);
  /// Traffic of all ranks of this rank's site.
  Traffic site_traffic();
  std::vector<float> by_site(const std::vector<float>& by_rank) const;

  Communicator& communicator_;
  const Corpus& corpus_;
  TrainOptions options_;
  Model model_;
  std::vector<int> site_of_;        ///< by rank
  std::vector<int> ranks_at_site_;  ///< by site
  std::vector<float> scratch_;
};

double median(std::vector<double> values);
/// Standard error of the median, from the interquartile range; 0 for fewer than four values.
double median_error(std::vector<double> values);

}  // namespace char_lm
