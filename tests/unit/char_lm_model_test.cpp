// SPDX-License-Identifier: Apache-2.0
// The demo's model: its gradient against differences, its matrix product against the textbook, equal seeds equal
// results, the training loop over a communicator of one rank, and the sentence at the end against numbers it must not
// flatter.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "examples/char_lm/adam.h"
#include "examples/char_lm/communicator.h"
#include "examples/char_lm/gemm.h"
#include "examples/char_lm/model.h"
#include "examples/char_lm/random.h"
#include "examples/char_lm/text.h"
#include "examples/char_lm/trainer.h"
#include "examples/char_lm/verdict.h"
#include "support/catch.h"

using namespace char_lm;

namespace {

constexpr std::size_t kBatch = 16;

Shape tiny(std::size_t layers) {
  return {.vocabulary = kVocabulary, .context = 4, .embedding = 3, .hidden = 10, .layers = layers};
}

std::vector<std::uint8_t> some_text(std::size_t size) {
  std::string text;
  while (text.size() < size) text += "the quick brown fox jumps over the lazy dog; ";
  return symbols_of(text);
}

Batch some_batch(const Shape& shape, std::uint64_t seed = 3) {
  Batch batch;
  sample(some_text(1000), shape, kBatch, seed, 0, 1, batch);
  return batch;
}

std::vector<float> random_values(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = random.uniform();
  return values;
}

/// One rank; averages are what was sent. Remembers what crossed.
class OwnRank final : public Communicator {
 public:
  Place place() const override { return {}; }
  void start_average(const float* send, float* recv, std::size_t count, Codec codec, std::uint64_t tag) override {
    std::memmove(recv, send, count * sizeof(float));
    values += count;
    tags.insert(tag);
    traffic_.payload += count * 4;
    traffic_.wire += static_cast<std::uint64_t>(static_cast<double>(count) * bits_of(codec) / 8);
    ++pending;
  }
  void start_sum(float*, std::size_t) override { ++pending; }
  void wait_all() override { pending = 0; }
  void all_gather(const void* mine, void* all, std::size_t bytes) override {
    CHECK(pending == 0);
    std::memcpy(all, mine, bytes);
  }
  void barrier() override {}
  Traffic traffic() override { return traffic_; }

  std::size_t values = 0;
  std::set<std::uint64_t> tags;
  int pending = 0;

 private:
  Traffic traffic_;
};

RunResult run_result(Codec codec, double step, float loss, double wire) {
  RunResult run;
  run.codec = codec;
  run.step_seconds = step;
  run.held_out_loss = {loss, loss};
  run.wire_per_step = wire;
  run.parameter_hash = {7, 7, 7, 7};
  return run;
}

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("char_lm: the matrix product equals the textbook one for every shape and both strides", "[unit]") {
  for (const std::size_t m : {1U, 4U, 17U, 32U}) {
    for (const std::size_t n : {1U, 15U, 16U, 35U}) {
      for (const std::size_t k : {1U, 7U, 64U}) {
        const bool by_column = (m + n + k) % 2 == 0;
        const std::vector<float> a = random_values(m * k, m);
        const std::vector<float> b = random_values(k * n, n);
        std::vector<float> c(m * n, 99.0F);
        const StridedMatrix left{a.data(), by_column ? 1 : k, by_column ? m : 1};
        multiply(m, n, k, left, b.data(), c.data());
        double worst = 0;
        for (std::size_t i = 0; i < m; ++i) {
          for (std::size_t j = 0; j < n; ++j) {
            double sum = 0;
            for (std::size_t p = 0; p < k; ++p) {
              sum += static_cast<double>(a[i * left.row_stride + p * left.column_stride]) *
                     static_cast<double>(b[p * n + j]);
            }
            worst = std::max(worst, std::abs(sum - static_cast<double>(c[i * n + j])));
          }
        }
        INFO("m " << m << " n " << n << " k " << k);
        CHECK(worst < 1e-4);
      }
    }
  }
}

TEST_CASE("char_lm: the gradient equals central differences in every part of the model", "[unit]") {
  const std::size_t layers = GENERATE(1U, 2U, 3U);
  const Shape shape = tiny(layers);
  Model model(shape, kBatch);
  model.initialise(11);
  for (float& value : model.parameters()) value *= 1.5F;  // away from the small start of the output layer
  const Batch batch = some_batch(shape);
  model.forward(batch);
  model.backward([](std::size_t) {});
  const std::vector<float> gradient(model.gradients().begin(), model.gradients().end());
  const float largest = std::abs(
      *std::max_element(gradient.begin(), gradient.end(), [](float x, float y) { return std::abs(x) < std::abs(y); }));
  REQUIRE(largest > 0.01F);
  constexpr float kStep = 1e-2F;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const float kept = model.parameters()[i];
    model.parameters()[i] = kept + kStep;
    const double above = static_cast<double>(model.forward(batch));
    model.parameters()[i] = kept - kStep;
    const double below = static_cast<double>(model.forward(batch));
    model.parameters()[i] = kept;
    const double difference = (above - below) / (2 * static_cast<double>(kStep));
    const double given = static_cast<double>(gradient[i]);
    if (std::abs(difference - given) > 2e-4 + 0.02 * std::abs(given)) {
      FAIL("layers " << layers << ", parameter " << i << ": " << given << " against " << difference);
    }
  }
}

TEST_CASE("char_lm: buckets cover every parameter once and become ready in order", "[unit]") {
  const std::size_t layers = GENERATE(1U, 3U);
  Model model(tiny(layers), kBatch);
  std::vector<int> covered(model.parameters().size(), 0);
  for (const Range& range : model.buckets()) {
    for (std::size_t i = 0; i < range.count; ++i) ++covered.at(range.offset + i);
  }
  CHECK(std::count(covered.begin(), covered.end(), 1) == static_cast<std::ptrdiff_t>(covered.size()));

  // What is final when a bucket is announced must not change until the end.
  model.initialise(2);
  model.forward(some_batch(model.shape()));
  std::vector<std::uint64_t> announced;
  const auto hash = [&](const Range& range) {
    return hash_of(std::span<const float>(model.gradients().subspan(range.offset, range.count)));
  };
  model.backward([&](std::size_t bucket) {
    CHECK(bucket == announced.size());
    announced.push_back(hash(model.buckets()[bucket]));
  });
  REQUIRE(announced.size() == model.buckets().size());
  for (std::size_t i = 0; i < announced.size(); ++i) CHECK(announced[i] == hash(model.buckets()[i]));
}

TEST_CASE("char_lm: equal seeds train to equal bits, other seeds do not", "[unit]") {
  const auto train = [](std::uint64_t seed) {
    const Shape shape = tiny(2);
    Model model(shape, kBatch);
    model.initialise(seed);
    Adam optimiser(model.parameters().size(), 0.01F, 20);
    for (std::uint64_t i = 0; i < 20; ++i) {
      model.forward(some_batch(shape, i));
      model.backward([](std::size_t) {});
      optimiser.step(model.parameters(), model.gradients());
    }
    return hash_of(std::span<const float>(model.parameters()));
  };
  CHECK(train(1) == train(1));
  CHECK(train(1) != train(2));
}

TEST_CASE("char_lm: text becomes symbols without indentation and blank lines", "[unit]") {
  const auto symbol = [](char c) { return static_cast<std::uint8_t>(c - ' ' + 1); };
  CHECK(symbols_of("  a  b \n\n\t c\xC3\n") ==
        std::vector<std::uint8_t>{symbol('a'), 1, symbol('b'), 0, symbol('c'), symbol('?'), 0});
  for (int byte = 0; byte < 256; ++byte) {
    for (const std::uint8_t s : symbols_of(std::string("x") + static_cast<char>(byte) + "x")) CHECK(s < kVocabulary);
  }
}

TEST_CASE("char_lm: ranks learn from different examples, and the same rank from the same", "[unit]") {
  const Shape shape{.vocabulary = kVocabulary, .context = 3};
  std::vector<std::uint8_t> text(200);
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<std::uint8_t>(i);  // its own position
  std::set<std::uint8_t> seen[2];
  for (std::size_t rank = 0; rank < 2; ++rank) {
    Batch batch;
    sample(text, shape, 100, 5, rank, 2, batch);
    Batch again;
    sample(text, shape, 100, 5, rank, 2, again);
    CHECK(batch.contexts == again.contexts);
    seen[rank].insert(batch.targets.begin(), batch.targets.end());
    CHECK(batch.targets[0] == batch.contexts[0] + 3);
  }
  std::vector<std::uint8_t> both;
  std::set_intersection(seen[0].begin(), seen[0].end(), seen[1].begin(), seen[1].end(), std::back_inserter(both));
  CHECK(both.empty());
}

TEST_CASE("char_lm: the trainer sends every gradient once a step and learns", "[unit]") {
  Corpus corpus{some_text(4000), some_text(500)};
  OwnRank communicator;
  Trainer trainer(communicator, corpus, tiny(2),
                  {.steps = 60, .batch = kBatch, .learning_rate = 0.02F, .evaluation_batches = 2, .timing_rounds = 2});
  int calls = 0;
  const RunResult run = trainer.run(Codec::I8, [&](const StepView& view) { CHECK(view.step == ++calls); });
  CHECK(calls == 60);
  // 60 steps, then one warming and two timed exchanges.
  CHECK(communicator.values == 63 * trainer.model().parameters().size());
  CHECK(communicator.tags == std::set<std::uint64_t>{1, 2});
  REQUIRE(run.held_out_loss.size() == 1);
  CHECK(run.first_loss[0] > 4);
  CHECK(run.held_out_loss[0] < 2);
  CHECK(run.identical());
  CHECK(std::abs(ratio(run) - 32 / 8.125) < 0.01);
  const RunResult again = trainer.run(Codec::None, [](const StepView&) {});
  CHECK(again.parameter_hash == run.parameter_hash);
}

TEST_CASE("char_lm: the sentence at the end says what the numbers say", "[unit]") {
  const Link link{.rtt_ms = 15, .rate_mbit = 1000, .emulated = true};
  std::vector<RunResult> runs{run_result(Codec::None, 0.6, 2.4F, 16e6), run_result(Codec::I8, 0.3, 2.41F, 4e6)};
  SECTION("faster, equal loss") {
    const std::string text = verdict(runs, link);
    CHECK(has(text, "i8 moved 4.0x fewer bytes over the emulated 15 ms / 1 Gbit/s WAN"));
    CHECK(has(text, "cut a step from 0.60 to 0.30 s"));
    CHECK(has(text, "within 1 %"));
    CHECK(has(text, "all 4 ranks hold bit-identical parameters"));
  }
  SECTION("slower") {
    runs[1].step_seconds = 0.7;
    CHECK(has(verdict(runs, link), "slower"));
  }
  SECTION("no difference") {
    runs[1].step_seconds = 0.6;
    CHECK(has(verdict(runs, link), "no clear difference"));
  }
  SECTION("a difference within the spread of the steps") {
    runs[1].step_seconds = 0.5;
    CHECK(has(verdict(runs, link), "cut a step"));
    runs[0].step_error = 0.06;
    CHECK(has(verdict(runs, link), "no clear difference"));
  }
  SECTION("worse loss") {
    runs[1].held_out_loss = {2.6F, 2.6F};
    CHECK(has(verdict(runs, link), "higher held-out loss"));
  }
  SECTION("diverged") {
    runs[1].held_out_loss = {std::nanf(""), std::nanf("")};
    CHECK(has(verdict(runs, link), "did not converge"));
  }
  SECTION("different parameters") {
    runs[0].parameter_hash[2] = 8;
    CHECK(has(verdict(runs, link), "DO NOT HOLD THE SAME"));
  }
  SECTION("nothing to compare") { CHECK(verdict({runs[0]}, link) == "all 4 ranks hold bit-identical parameters."); }
}

TEST_CASE("char_lm: the error of a median follows spread and number", "[unit]") {
  CHECK(median_error({1, 2, 3}) == 0);
  CHECK(median_error({2, 2, 2, 2, 2}) == 0);
  std::vector<double> values;
  for (int i = 0; i < 100; ++i) values.push_back(i);
  CHECK(median(values) == 50);
  CHECK(std::abs(median_error(values) - 1.253 / 1.349 * 50 / 10) < 1e-9);
}

TEST_CASE("char_lm: the physical limit is bytes over 95 % of the rate and one way across", "[unit]") {
  RunResult run = run_result(Codec::None, 1, 1, 1);
  run.gradient_values = 950e3;  // 30.4 Mbit
  CHECK(std::abs(physical_limit(run, {.rtt_ms = 10, .rate_mbit = 1000}) - (0.032 + 0.005)) < 1e-9);
  run.exchange_wire = 3.8e6;
  run.exchange_seconds = 0.0608;
  CHECK(std::abs(link_share(run, {.rtt_ms = 10, .rate_mbit = 1000}) - 0.5) < 1e-9);
}
