// SPDX-License-Identifier: Apache-2.0
// The demo's language model (after Bengio et al., 2003): the last `context` characters are embedded, joined, and pass
// through tanh layers with skip connections to a softmax over the next character. Parameters and gradients are one flat
// array each, cut in buckets that become ready one after another in the backward pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace char_lm {

struct Shape {
  std::size_t vocabulary = 96;
  std::size_t context = 8;
  std::size_t embedding = 64;
  std::size_t hidden = 1024;
  std::size_t layers = 4;
};

/// A batch of examples: context characters of example i at contexts[i * context], then the character that follows.
struct Batch {
  std::vector<std::uint8_t> contexts;
  std::vector<std::uint8_t> targets;
};

/// A range of the flat arrays.
struct Range {
  std::size_t offset = 0;
  std::size_t count = 0;
};

class Model {
 public:
  Model(const Shape& shape, std::size_t batch_size);

  /// Equal seeds give equal parameters on every machine.
  void initialise(std::uint64_t seed);
  /// Mean loss in nats a character. `batch` must have the size given to the constructor.
  float forward(const Batch& batch);
  /// Gradient of the last forward(). Calls ready(i) as soon as bucket i of buckets() is final.
  void backward(const std::function<void(std::size_t bucket)>& ready);

  const Shape& shape() const { return shape_; }
  std::size_t batch_size() const { return batch_size_; }
  std::span<float> parameters() { return parameters_; }
  std::span<float> gradients() { return gradients_; }
  /// In the order in which backward() finishes them; together they cover everything once.
  const std::vector<Range>& buckets() const { return buckets_; }

 private:
  struct Layer {
    std::size_t inputs = 0;
    std::size_t outputs = 0;
    std::size_t weights = 0;   ///< offset of weights[outputs][inputs]
    std::size_t biases = 0;    ///< offset
    std::vector<float> input;  ///< [inputs][batch]
    std::vector<float> tanh;   ///< [outputs][batch]; logits in the output layer
  };

  Layer make_layer(std::size_t inputs, std::size_t outputs, std::size_t& offset) const;
  void make_buckets();
  void embed(const Batch& batch);
  void affine(Layer& layer);
  float softmax_loss(const Batch& batch);
  /// Gradient of weights and biases from delta_ = d loss / d affine output, and of the layer's input into input_delta_.
  void affine_backward(const Layer& layer);
  void embed_backward();

  Shape shape_;
  std::size_t batch_size_;
  std::vector<Layer> layers_;  ///< hidden layers, then the output layer
  std::vector<float> parameters_;
  std::vector<float> gradients_;
  std::vector<Range> buckets_;
  Batch last_;
  std::vector<float> carried_;      ///< d loss / d output of the layer being worked on, [hidden][batch]
  std::vector<float> delta_;        ///< [outputs][batch]
  std::vector<float> input_delta_;  ///< [inputs][batch]
  std::vector<float> transposed_;
};

}  // namespace char_lm
