// SPDX-License-Identifier: Apache-2.0
#include "site/nccl/nccl_comm.h"

namespace longhaul::site {

using device::kNcclInProgress;
using device::kNcclSuccess;
using device::NcclResult;

NcclComm::NcclComm(std::shared_ptr<const device::Nccl> nccl, const NcclOptions& options)
    : nccl_(std::move(nccl)), name_(options.name), config_(nccl_->config()), comm_(std::make_unique<device::NcclComm>(nullptr)) {
  if (options.max_ctas > 0) config_.max_ctas = options.max_ctas;
  if (options.traffic_class >= 0) config_.traffic_class = options.traffic_class;
  config_.comm_name = name_.c_str();
}

NcclComm::~NcclComm() { cut(); }

void NcclComm::start(const device::NcclUniqueId& id, int ranks, int rank) {
  accept(nccl_->init_rank(comm_.get(), ranks, id, rank, &config_), "ncclCommInitRankConfig");
}

void NcclComm::start_from(device::NcclComm parent, int rank) {
  parent_ = parent;
  if (accept(nccl_->split(parent, 0, rank, comm_.get(), &config_), "ncclCommSplit") && !in_progress_) parent_ = nullptr;
}

bool NcclComm::fail(NcclResult result, const char* call) {
  in_progress_ = false;
  if (!failure_.ok()) return false;
  const char* detail = nccl_->last_error ? nccl_->last_error(*comm_) : nullptr;
  const char* text = nccl_->error_string ? nccl_->error_string(result) : nullptr;
  // By value the same, but what NCCL calls an argument or a usage of ours is our fault, and not the caller's.
  const bool ours = result == lhInvalidArgument || result == lhInvalidUsage;
  const auto code = ours ? lhInternalError : static_cast<lhResult_t>(result);
  failure_ = error(code, "{} ({}): {}{}{}; NCCL_DEBUG=WARN tells more", call, name_, text ? text : "NCCL failed", detail && *detail ? ": " : "",
                   detail ? detail : "");
  return false;
}

bool NcclComm::accept(NcclResult result, const char* call) {
  if (result == kNcclInProgress) in_progress_ = true;
  if (result == kNcclSuccess || result == kNcclInProgress) return true;
  return fail(result, call);
}

bool NcclComm::busy() {
  if (!failure_.ok()) return false;
  const device::NcclComm asked = parent_ ? parent_ : *comm_;
  if (!asked) return in_progress_;
  NcclResult state = kNcclSuccess;
  if (const NcclResult result = nccl_->async_error(asked, &state); result != kNcclSuccess) return fail(result, "ncclCommGetAsyncError");
  if (state == kNcclInProgress) return in_progress_ = true;
  if (state != kNcclSuccess) return fail(state, "the communicator of the site failed");
  parent_ = nullptr;
  return in_progress_ = false;
}

void NcclComm::finalize() {
  if (!*comm_ || closing_) return;
  closing_ = true;
  accept(nccl_->finalize(*comm_), "ncclCommFinalize");
}

bool NcclComm::closed() {
  if (!*comm_) return true;
  if (busy()) return false;
  if (!failure_.ok()) {
    cut();
  } else {
    nccl_->destroy(*comm_);
    *comm_ = nullptr;
  }
  return true;
}

void NcclComm::cut() {
  if (*comm_) nccl_->abort(*comm_);
  *comm_ = nullptr;
}

}  // namespace longhaul::site
