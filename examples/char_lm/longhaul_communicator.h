// SPDX-License-Identifier: Apache-2.0
// The communicator of the demo on Longhaul's public interface: one mpirun job a site, everything else from the
// environment (LONGHAUL_CONFIG, LONGHAUL_SITE). This file and its .cpp are what a program of yours would have to write.
#pragma once

#include <longhaul/longhaul.h>

#include <vector>

#include "communicator.h"

namespace char_lm {

class LonghaulCommunicator final : public Communicator {
 public:
  /// Takes the handle over; throws Failure where it is not connected.
  explicit LonghaulCommunicator(lhComm_t comm);
  ~LonghaulCommunicator() override;
  LonghaulCommunicator(const LonghaulCommunicator&) = delete;  // owns a handle
  LonghaulCommunicator& operator=(const LonghaulCommunicator&) = delete;

  Place place() const override { return place_; }
  void start_average(const float* send, float* recv, std::size_t count, Codec codec, std::uint64_t tag) override;
  void start_sum(float* values, std::size_t count) override;
  void wait_all() override;
  void all_gather(const void* mine, void* all, std::size_t bytes) override;
  void barrier() override;
  void forget_feedback() override;
  Traffic traffic() override;
  /// Waits for everybody; call it at the end of a run that went well.
  void finalize();

 private:
  void start(const float* send, float* recv, std::size_t count, lhRedOp_t op, const lhCallConfig_t& options);
  /// Throws Failure unless `result` is lhSuccess.
  void check(lhResult_t result, const char* what);
  /// Ends what is in flight, so that the caller may free its buffers.
  void abandon();

  lhComm_t comm_ = nullptr;
  Place place_;
  std::vector<lhRequest_t> requests_;
};

}  // namespace char_lm
