// SPDX-License-Identifier: Apache-2.0
// Idle: what the engine's thread does while calls are pending and nothing moves. With no call pending it always sleeps.
#pragma once

namespace longhaul {

enum class Idle {
  Park,   ///< sleeps until something arrives; in a short call after a moment of Yield
  Yield,  ///< looks again after giving the core to whoever wants it
  Spin,   ///< looks again at once
};

}  // namespace longhaul
