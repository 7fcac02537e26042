// SPDX-License-Identifier: Apache-2.0
// The calls into Longhaul, and nothing else.
#include "longhaul_communicator.h"

namespace char_lm {
namespace {

lhCodec_t to_longhaul(Codec codec) {
  switch (codec) {
    case Codec::Bf16:
      return lhCodecBf16;
    case Codec::I8:
      return lhCodecI8;
    case Codec::R4:
    case Codec::R4Fed:
      return lhCodecR4;
    case Codec::F4:
    case Codec::F4Fed:
      return lhCodecF4;
    case Codec::R2:
    case Codec::R2Fed:
      return lhCodecR2;
    case Codec::Lossless:
      return lhCodecLossless;
    case Codec::None:
      break;
  }
  return lhCodecNone;
}

bool is_fed(Codec codec) { return codec == Codec::R4Fed || codec == Codec::F4Fed || codec == Codec::R2Fed; }

}  // namespace

LonghaulCommunicator::LonghaulCommunicator(lhComm_t comm) : comm_(comm) {
  check(lhCommUserRank(comm_, &place_.rank), "ask for the rank");
  check(lhCommCount(comm_, &place_.ranks), "ask for the number of ranks");
  check(lhCommSite(comm_, &place_.site), "ask for the site");
  check(lhCommSiteRank(comm_, &place_.site_rank), "ask for the rank inside the site");
}

LonghaulCommunicator::~LonghaulCommunicator() {
  abandon();
  if (comm_ != nullptr) lhCommDestroy(comm_);
}

void LonghaulCommunicator::start_average(const float* send, float* recv, std::size_t count, Codec codec,
                                         std::uint64_t tag) {
  lhCallConfig_t options = LH_CALL_CONFIG_INITIALIZER;
  options.codec = to_longhaul(codec);
  options.tag = tag;
  options.errorFeedback = is_fed(codec) ? 1 : 0;
  start(send, recv, count, lhAvg, options);
}

void LonghaulCommunicator::start_sum(float* values, std::size_t count) {
  lhCallConfig_t options = LH_CALL_CONFIG_INITIALIZER;
  options.codec = lhCodecNone;
  start(values, values, count, lhSum, options);
}

void LonghaulCommunicator::start(const float* send, float* recv, std::size_t count, lhRedOp_t op,
                                 const lhCallConfig_t& options) {
  lhRequest_t request = nullptr;
  check(lhAllReduceEx(send, recv, count, lhFloat32, op, &options, comm_, nullptr, &request), "start an all-reduce");
  requests_.push_back(request);
}

void LonghaulCommunicator::wait_all() {
  // A wait frees its request also on failure, so every one is taken off the list before the outcome is looked at.
  while (!requests_.empty()) {
    const lhRequest_t request = requests_.front();
    requests_.erase(requests_.begin());
    check(lhRequestWait(request), "finish an all-reduce");
  }
}

void LonghaulCommunicator::all_gather(const void* mine, void* all, std::size_t bytes) {
  check(lhAllGather(mine, all, bytes, lhUint8, comm_, nullptr), "gather");
}

void LonghaulCommunicator::barrier() { check(lhBarrier(comm_, nullptr), "wait for the other ranks"); }

void LonghaulCommunicator::forget_feedback() { check(lhCommFeedbackReset(comm_, 0), "forget what codecs lost"); }

Traffic LonghaulCommunicator::traffic() {
  lhStats_t stats = LH_STATS_INITIALIZER;
  check(lhCommGetStats(comm_, &stats), "read the statistics");
  return {stats.payloadBytes, stats.wanBytesSent};
}

void LonghaulCommunicator::finalize() { check(lhCommFinalize(comm_), "finish together"); }

void LonghaulCommunicator::check(lhResult_t result, const char* what) {
  if (result == lhSuccess) return;
  const std::string text =
      std::string("cannot ") + what + ": " + lhGetErrorString(result) + ": " + lhGetLastError(comm_);
  abandon();
  throw Failure(text);
}

void LonghaulCommunicator::abandon() {
  if (requests_.empty()) return;
  lhCommAbort(comm_);
  for (const lhRequest_t request : requests_) static_cast<void>(lhRequestWait(request));
  requests_.clear();
}

}  // namespace char_lm
