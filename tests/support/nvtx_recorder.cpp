// SPDX-License-Identifier: Apache-2.0
// A profiler for tests: NVTX loads it where NVTX_INJECTION64_PATH names it. Writes what begins and ends in domain
// "longhaul" to the file that LH_NVTX_RECORD names, a line each: "start ID NAME PAYLOAD", "end ID".
#include <nvtx3/nvToolsExt.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

namespace {

struct Record {
  std::FILE* file = nullptr;
  std::mutex mutex;
  std::vector<std::string> names;  // a handle is the number of the name, from 1 on
  nvtxRangeId_t ids = 0;
};
Record& record() {
  static Record instance;
  return instance;
}

char our_domain;

nvtxDomainHandle_t create_domain(const char* name) {
  return std::strcmp(name, "longhaul") == 0 ? reinterpret_cast<nvtxDomainHandle_t>(&our_domain) : nullptr;
}

nvtxStringHandle_t register_string(nvtxDomainHandle_t, const char* text) {
  const std::lock_guard lock(record().mutex);
  record().names.emplace_back(text);
  return reinterpret_cast<nvtxStringHandle_t>(record().names.size());
}

nvtxRangeId_t start(nvtxDomainHandle_t domain, const nvtxEventAttributes_t* range) {
  if (domain != reinterpret_cast<nvtxDomainHandle_t>(&our_domain)) return 0;
  const std::lock_guard lock(record().mutex);
  const nvtxRangeId_t id = ++record().ids;
  const bool known =
      range->messageType == NVTX_MESSAGE_TYPE_REGISTERED && range->payloadType == NVTX_PAYLOAD_TYPE_UNSIGNED_INT64;
  const std::string name =
      known ? record().names.at(reinterpret_cast<std::size_t>(range->message.registered) - 1) : "unknown";
  std::fprintf(record().file, "start %llu %s %llu\n", static_cast<unsigned long long>(id), name.c_str(),
               static_cast<unsigned long long>(range->payload.ullValue));
  return id;
}

void end(nvtxDomainHandle_t domain, nvtxRangeId_t id) {
  if (domain != reinterpret_cast<nvtxDomainHandle_t>(&our_domain)) return;
  const std::lock_guard lock(record().mutex);
  std::fprintf(record().file, "end %llu\n", static_cast<unsigned long long>(id));
  std::fflush(record().file);
}

template <typename Function>
void take(NvtxFunctionTable table, unsigned size, NvtxCallbackIdCore2 which, Function* function) {
  if (static_cast<unsigned>(which) < size) *table[which] = reinterpret_cast<NvtxFunctionPointer>(function);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int InitializeInjectionNvtx2(NvtxGetExportTableFunc_t get_table) {
  const char* name = std::getenv("LH_NVTX_RECORD");
  if (!name || !(record().file || (record().file = std::fopen(name, "we")))) return 0;
  const auto* callbacks = static_cast<const NvtxExportTableCallbacks*>(get_table(NVTX_ETID_CALLBACKS));
  NvtxFunctionTable table = nullptr;
  unsigned size = 0;
  if (!callbacks || !callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE2, &table, &size)) return 0;
  take(table, size, NVTX_CBID_CORE2_DomainCreateA, create_domain);
  take(table, size, NVTX_CBID_CORE2_DomainRegisterStringA, register_string);
  take(table, size, NVTX_CBID_CORE2_DomainRangeStartEx, start);
  take(table, size, NVTX_CBID_CORE2_DomainRangeEnd, end);
  return 1;
}
