// SPDX-License-Identifier: Apache-2.0
// Forward and backward pass. Activations are stored feature-major ([feature][example]), which makes every product a
// plain row-major one with the examples of the batch in the vector lanes.
#include "model.h"

#include <algorithm>
#include <cmath>

#include "gemm.h"
#include "random.h"

namespace char_lm {

Model::Model(const Shape& shape, std::size_t batch_size) : shape_(shape), batch_size_(batch_size) {
  std::size_t offset = shape.vocabulary * shape.embedding;  // the embedding table comes first
  std::size_t inputs = shape.context * shape.embedding;
  for (std::size_t i = 0; i < shape.layers; ++i) {
    layers_.push_back(make_layer(inputs, shape.hidden, offset));
    inputs = shape.hidden;
  }
  layers_.push_back(make_layer(inputs, shape.vocabulary, offset));
  parameters_.assign(offset, 0.0F);
  gradients_.assign(offset, 0.0F);
  const std::size_t widest = std::max({shape.hidden, shape.context * shape.embedding, shape.vocabulary});
  for (std::vector<float>* scratch : {&carried_, &delta_, &input_delta_, &transposed_}) {
    scratch->assign(widest * batch_size, 0.0F);
  }
  make_buckets();
}

Model::Layer Model::make_layer(std::size_t inputs, std::size_t outputs, std::size_t& offset) const {
  Layer layer;
  layer.inputs = inputs;
  layer.outputs = outputs;
  layer.weights = offset;
  layer.biases = offset + outputs * inputs;
  offset = layer.biases + outputs;
  layer.input.assign(inputs * batch_size_, 0.0F);
  layer.tanh.assign(outputs * batch_size_, 0.0F);
  return layer;
}

/// One bucket a hidden layer; the output layer goes with the last one, the embedding with the first.
void Model::make_buckets() {
  for (std::size_t i = shape_.layers; i-- > 0;) {
    const std::size_t begin = i == 0 ? 0 : layers_[i].weights;
    const std::size_t end = i + 1 == shape_.layers ? parameters_.size() : layers_[i + 1].weights;
    buckets_.push_back({begin, end - begin});
  }
}

void Model::initialise(std::uint64_t seed) {
  Random random(seed);
  for (std::size_t i = 0; i < shape_.vocabulary * shape_.embedding; ++i) parameters_[i] = random.uniform();
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    // Unit gain; a small output layer starts the loss at log(vocabulary) instead of above it.
    const float gain = l + 1 == layers_.size() ? 0.1F : 1.0F;
    const float scale = gain * std::sqrt(3.0F / static_cast<float>(layer.inputs));
    for (std::size_t i = layer.weights; i < layer.biases; ++i) parameters_[i] = scale * random.uniform();
    std::fill_n(parameters_.begin() + static_cast<std::ptrdiff_t>(layer.biases), layer.outputs, 0.0F);
  }
}

void Model::embed(const Batch& batch) {
  for (std::size_t c = 0; c < shape_.context; ++c) {
    for (std::size_t e = 0; e < shape_.embedding; ++e) {
      float* row = layers_[0].input.data() + (c * shape_.embedding + e) * batch_size_;
      for (std::size_t i = 0; i < batch_size_; ++i) {
        row[i] = parameters_[batch.contexts[i * shape_.context + c] * shape_.embedding + e];
      }
    }
  }
}

void Model::affine(Layer& layer) {
  const float* weights = parameters_.data() + layer.weights;
  multiply(layer.outputs, batch_size_, layer.inputs, {weights, layer.inputs, 1}, layer.input.data(), layer.tanh.data());
  for (std::size_t o = 0; o < layer.outputs; ++o) {
    const float bias = parameters_[layer.biases + o];
    for (std::size_t i = 0; i < batch_size_; ++i) layer.tanh[o * batch_size_ + i] += bias;
  }
}

float Model::forward(const Batch& batch) {
  last_ = batch;
  embed(batch);
  for (std::size_t l = 0; l < shape_.layers; ++l) {
    Layer& layer = layers_[l];
    affine(layer);
    std::vector<float>& output = layers_[l + 1].input;
    for (std::size_t i = 0; i < output.size(); ++i) {
      layer.tanh[i] = std::tanh(layer.tanh[i]);
      output[i] = layer.tanh[i] + (l == 0 ? 0.0F : layer.input[i]);
    }
  }
  affine(layers_.back());
  return softmax_loss(batch);
}

/// Leaves d loss / d logits in delta_.
float Model::softmax_loss(const Batch& batch) {
  const std::vector<float>& logits = layers_.back().tanh;
  const float share = 1.0F / static_cast<float>(batch_size_);
  double loss = 0;
  for (std::size_t i = 0; i < batch_size_; ++i) {
    float largest = logits[i];
    for (std::size_t v = 1; v < shape_.vocabulary; ++v) largest = std::max(largest, logits[v * batch_size_ + i]);
    double sum = 0;
    for (std::size_t v = 0; v < shape_.vocabulary; ++v) {
      const float e = std::exp(logits[v * batch_size_ + i] - largest);
      delta_[v * batch_size_ + i] = e;
      sum += static_cast<double>(e);
    }
    const std::size_t target = batch.targets[i] * batch_size_ + i;
    loss += std::log(sum) + static_cast<double>(largest - logits[target]);
    const float scale = share / static_cast<float>(sum);
    for (std::size_t v = 0; v < shape_.vocabulary; ++v) delta_[v * batch_size_ + i] *= scale;
    delta_[target] -= share;
  }
  return static_cast<float>(loss / static_cast<double>(batch_size_));
}

void Model::affine_backward(const Layer& layer) {
  transpose(layer.inputs, batch_size_, layer.input.data(), transposed_.data());
  multiply(layer.outputs, layer.inputs, batch_size_, {delta_.data(), batch_size_, 1}, transposed_.data(),
           gradients_.data() + layer.weights);
  for (std::size_t o = 0; o < layer.outputs; ++o) {
    float sum = 0;
    for (std::size_t i = 0; i < batch_size_; ++i) sum += delta_[o * batch_size_ + i];
    gradients_[layer.biases + o] = sum;
  }
  const float* weights = parameters_.data() + layer.weights;
  multiply(layer.inputs, batch_size_, layer.outputs, {weights, 1, layer.inputs}, delta_.data(), input_delta_.data());
}

void Model::embed_backward() {
  std::fill_n(gradients_.begin(), static_cast<std::ptrdiff_t>(shape_.vocabulary * shape_.embedding), 0.0F);
  for (std::size_t c = 0; c < shape_.context; ++c) {
    for (std::size_t i = 0; i < batch_size_; ++i) {
      float* row = gradients_.data() + last_.contexts[i * shape_.context + c] * shape_.embedding;
      for (std::size_t e = 0; e < shape_.embedding; ++e) {
        row[e] += input_delta_[(c * shape_.embedding + e) * batch_size_ + i];
      }
    }
  }
}

void Model::backward(const std::function<void(std::size_t bucket)>& ready) {
  affine_backward(layers_.back());
  std::size_t bucket = 0;
  for (std::size_t l = shape_.layers; l-- > 0;) {
    const Layer& layer = layers_[l];
    const std::size_t size = layer.outputs * batch_size_;
    // The skip connection carries the gradient past the layer and adds what comes through it.
    const bool skipped_into = l + 1 < shape_.layers;
    for (std::size_t i = 0; i < size; ++i) {
      carried_[i] = input_delta_[i] + (skipped_into ? carried_[i] : 0.0F);
      delta_[i] = carried_[i] * (1.0F - layer.tanh[i] * layer.tanh[i]);
    }
    affine_backward(layer);
    if (l == 0) embed_backward();
    ready(bucket++);
  }
}

}  // namespace char_lm
