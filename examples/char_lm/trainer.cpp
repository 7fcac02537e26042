// SPDX-License-Identifier: Apache-2.0
// The training loop.
#include "trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "adam.h"
#include "random.h"

namespace char_lm {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

constexpr std::uint64_t kHeldOutSeed = 0x68656c64;  // the same examples after every training

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double median_error(std::vector<double> values) {
  if (values.size() < 4) return 0;
  std::sort(values.begin(), values.end());
  // As for a normal distribution: sigma is the range over 1.349, the median's error 1.253 sigma over the root of n.
  const double range = values[values.size() * 3 / 4] - values[values.size() / 4];
  return 1.253 / 1.349 * range / std::sqrt(static_cast<double>(values.size()));
}

bool RunResult::identical() const {
  return std::all_of(parameter_hash.begin(), parameter_hash.end(),
                     [&](std::uint64_t hash) { return hash == parameter_hash.front(); });
}

Trainer::Trainer(Communicator& communicator, const Corpus& corpus, const Shape& shape, const TrainOptions& options)
    : communicator_(communicator), corpus_(corpus), options_(options), model_(shape, options.batch) {
  site_of_ = gather(communicator, communicator.place().site);
  ranks_at_site_.assign(static_cast<std::size_t>(*std::max_element(site_of_.begin(), site_of_.end())) + 1, 0);
  for (const int site : site_of_) ++ranks_at_site_[static_cast<std::size_t>(site)];
  const std::vector<std::uint64_t> texts = gather(communicator, hash_of(corpus.train) ^ mix(hash_of(corpus.held_out)));
  for (std::size_t rank = 0; rank < texts.size(); ++rank) {
    if (texts[rank] == texts[0]) continue;
    throw Failure("rank " + std::to_string(rank) + " (site " + std::to_string(site_of_[rank]) +
                  ") reads another text than rank 0: give all sites the same files with --text");
  }
}

RunResult Trainer::run(Codec codec, const std::function<void(const StepView&)>& on_step) {
  model_.initialise(options_.seed);
  Adam optimiser(model_.parameters().size(), options_.learning_rate, options_.steps);
  RunResult result;
  result.codec = codec;
  result.gradient_values = static_cast<double>(model_.gradients().size());
  communicator_.forget_feedback();
  communicator_.barrier();
  const Traffic before = site_traffic();
  std::vector<double> seconds;
  std::vector<double> waits;
  const int settling =
      std::min(3, options_.steps / 4);  // first touches of memory and connections are not a step's time
  for (int i = 0; i < options_.steps; ++i) {
    const StepView view = step(codec, i, optimiser);
    if (i == 0) result.first_loss = view.site_loss;
    if (i >= settling) seconds.push_back(view.seconds);
    if (i >= settling) waits.push_back(view.wait_share);
    on_step(view);
  }
  const Traffic after = site_traffic();
  result.payload_per_step = static_cast<double>(after.payload - before.payload) / options_.steps;
  result.wire_per_step = static_cast<double>(after.wire - before.wire) / options_.steps;
  result.step_seconds = median(seconds);
  result.step_error = median_error(seconds);
  result.wait_share = median(waits);

  const std::vector<float> held_out = gather(communicator_, evaluate());
  const std::vector<int> site_ranks = gather(communicator_, communicator_.place().site_rank);
  for (std::size_t rank = 0; rank < held_out.size(); ++rank) {
    if (site_ranks[rank] == 0) result.held_out_loss.push_back(held_out[rank]);  // ranks are in site order
  }
  result.parameter_hash = gather(communicator_, hash_of(model_.parameters()));
  time_exchange(codec, result);
  return result;
}

StepView Trainer::step(Codec codec, int index, Adam& optimiser) {
  const Clock::time_point start = Clock::now();
  const Place place = communicator_.place();
  const auto rank = static_cast<std::size_t>(place.rank);
  const auto ranks = static_cast<std::size_t>(place.ranks);
  Batch batch;
  sample(corpus_.train, model_.shape(), options_.batch, options_.seed + static_cast<std::uint64_t>(index) + 1, rank,
         ranks, batch);

  // Everybody's loss travels with the gradients: a sum of arrays that are zero but for the own entry.
  std::vector<float> losses(ranks, 0.0F);
  losses[rank] = model_.forward(batch);
  communicator_.start_sum(losses.data(), losses.size());
  float* const gradients = model_.gradients().data();
  model_.backward([&](std::size_t bucket) {
    const Range range = model_.buckets()[bucket];
    if (options_.on_gradient) options_.on_gradient(index + 1, range, gradients + range.offset);
    communicator_.start_average(gradients + range.offset, gradients + range.offset, range.count, codec, bucket + 1);
  });
  const Clock::time_point waiting = Clock::now();
  communicator_.wait_all();
  const double waited = seconds_since(waiting);
  optimiser.step(model_.parameters(), model_.gradients());

  StepView view;
  view.codec = codec;
  view.step = index + 1;
  view.steps = options_.steps;
  view.site_loss = by_site(losses);
  view.seconds = seconds_since(start);
  view.wait_share = waited / view.seconds;
  return view;
}

float Trainer::evaluate() {
  double sum = 0;
  Batch batch;
  for (int i = 0; i < options_.evaluation_batches; ++i) {
    // Every rank evaluates the same examples, so that equal parameters must give equal losses at both sites.
    sample(corpus_.held_out, model_.shape(), options_.batch, kHeldOutSeed + static_cast<std::uint64_t>(i), 0, 1, batch);
    sum += static_cast<double>(model_.forward(batch));
  }
  return static_cast<float>(sum / options_.evaluation_batches);
}

void Trainer::time_exchange(Codec codec, RunResult& result) {
  scratch_.resize(model_.gradients().size());
  const float* const gradients = model_.gradients().data();
  const auto exchange = [&] {
    std::uint64_t tag = 0;
    for (const Range& range : model_.buckets()) {
      communicator_.start_average(gradients + range.offset, scratch_.data() + range.offset, range.count, codec, ++tag);
    }
    communicator_.wait_all();
  };
  exchange();  // touches the scratch memory
  communicator_.barrier();
  const Traffic before = site_traffic();
  std::vector<double> seconds;
  for (int round = 0; round < options_.timing_rounds; ++round) {
    const Clock::time_point start = Clock::now();
    exchange();
    seconds.push_back(seconds_since(start));
  }
  const Traffic after = site_traffic();
  result.exchange_seconds = median(seconds);
  result.exchange_wire = static_cast<double>(after.wire - before.wire) / options_.timing_rounds;
}

Traffic Trainer::site_traffic() {
  const std::vector<Traffic> all = gather(communicator_, communicator_.traffic());
  Traffic sum;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (site_of_[rank] != communicator_.place().site) continue;
    sum.payload += all[rank].payload;
    sum.wire += all[rank].wire;
  }
  return sum;
}

std::vector<float> Trainer::by_site(const std::vector<float>& by_rank) const {
  std::vector<float> mean(ranks_at_site_.size(), 0.0F);
  for (std::size_t rank = 0; rank < by_rank.size(); ++rank) {
    const auto site = static_cast<std::size_t>(site_of_[rank]);
    mean[site] += by_rank[rank] / static_cast<float>(ranks_at_site_[site]);
  }
  return mean;
}

}  // namespace char_lm
