// SPDX-License-Identifier: Apache-2.0
// Adam with warm-up and cosine decay. Element-wise fp32 in a fixed order: equal gradients keep equal parameters.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace char_lm {

class Adam {
 public:
  Adam(std::size_t parameters, float peak_rate, int steps)
      : mean_(parameters), square_(parameters), peak_rate_(peak_rate), steps_(steps) {}

  void step(std::span<float> parameters, std::span<const float> gradients);

 private:
  float rate() const;

  std::vector<float> mean_;
  std::vector<float> square_;
  float peak_rate_;
  int steps_;
  int done_ = 0;
};

}  // namespace char_lm
