// SPDX-License-Identifier: Apache-2.0
#include "device/load.h"

#include <dlfcn.h>
#include <link.h>

#include <mutex>
#include <utility>

namespace longhaul::device {
namespace {

/// One library's functions, first those that the whole process sees.
class Library {
 public:
  explicit Library(const char* name) : name_(name) {}

  void* find(const char* symbol) {
    if (void* found = ::dlsym(RTLD_DEFAULT, symbol)) return found;
    if (!handle_ && trouble_.empty()) open();
    void* found = handle_ ? ::dlsym(handle_, symbol) : nullptr;
    if (!found && missing_.empty()) missing_ = symbol;
    return found;
  }
  const std::string& missing() const { return missing_; }
  /// Why the library could not be loaded; empty where it could.
  const std::string& trouble() const { return trouble_; }

 private:
  void open() {
    handle_ = ::dlopen(name_, RTLD_NOW | RTLD_LOCAL);
    if (handle_) return;
    const char* text = ::dlerror();
    trouble_ = text ? text : "it cannot be loaded";
  }

  const char* name_;
  void* handle_ = nullptr;
  std::string trouble_, missing_;
};

template <typename Function>
void look_up(Library* library, const char* symbol, Function** out) {
  *out = reinterpret_cast<Function*>(library->find(symbol));
}

std::shared_ptr<Cuda> all_of_cuda(Library* library) {
  auto cuda = std::make_shared<Cuda>();
#define LH_LOOK_UP(member, symbol, arguments) look_up(library, symbol, &cuda->member);
  LH_CUDA_FUNCTIONS(LH_LOOK_UP)
#undef LH_LOOK_UP
  return cuda;
}

}  // namespace

std::string nccl_version_text(int version) {
  const int major = version >= 10000 ? version / 10000 : version / 1000;
  const int minor = version >= 10000 ? version / 100 % 100 : version / 100 % 10;
  return fmt::format("{}.{}.{}", major, minor, version % 100);
}

std::string cuda_version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

Result<std::shared_ptr<const Cuda>> load_cuda() {
  Library library("libcuda.so.1");
  const auto cuda = all_of_cuda(&library);
  if (!library.trouble().empty())
    return error(lhUnsupported, "no CUDA driver on this machine ({}): install the NVIDIA driver, or set lhConfig_t.device to -1 for host memory",
                 library.trouble());
  if (library.missing().empty()) return std::shared_ptr<const Cuda>(cuda);
  int version = 0;
  if (cuda->driver_version) cuda->driver_version(&version);
  return error(lhUnsupported, "the CUDA driver (for CUDA {}) is too old, it has no {}: install a driver for CUDA 11.7 or newer",
               cuda_version_text(version), library.missing());
}

Result<std::shared_ptr<const Nccl>> load_nccl() {
  Library library("libnccl.so.2");
  auto nccl = std::make_shared<Nccl>();
#define LH_LOOK_UP(member, symbol, arguments) look_up(&library, symbol, &nccl->member);
  LH_NCCL_FUNCTIONS(LH_LOOK_UP)
#undef LH_LOOK_UP
  look_up(&library, "ncclGetLastError", &nccl->last_error);
  look_up(&library, "ncclGetErrorString", &nccl->error_string);
  if (!library.trouble().empty())
    return error(lhUnsupported, "no NCCL ({}): several GPUs at one site need it. Install libnccl2, or put the folder of PyTorch's "
                 "libnccl.so.2 on LD_LIBRARY_PATH", library.trouble());
  if (nccl->version && nccl->version(&nccl->version_code) != kNcclSuccess) nccl->version_code = 0;
  if (!library.missing().empty() || nccl->version_code < kOldestNccl)
    return error(lhUnsupported, "NCCL {} is too old: {} or newer is needed", nccl_version_text(nccl->version_code), nccl_version_text(kOldestNccl));
  return std::shared_ptr<const Nccl>(nccl);
}

namespace {

/// How often a library has been loaded into this process, or taken out of it.
std::pair<unsigned long long, unsigned long long> library_changes() {
  std::pair<unsigned long long, unsigned long long> changes;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* out) {
        *static_cast<std::pair<unsigned long long, unsigned long long>*>(out) = {info->dlpi_adds, info->dlpi_subs};
        return 1;  // every library tells the same
      },
      &changes);
  return changes;
}

std::shared_ptr<const Cuda> look_for_cuda() {
  const bool linked = ::dlsym(RTLD_DEFAULT, "cuPointerGetAttribute") != nullptr;
  if (!linked && !::dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD)) return nullptr;
  Library library("libcuda.so.1");
  return all_of_cuda(&library);
}

}  // namespace

std::shared_ptr<const Cuda> cuda_in_process() {
  // Every call asks, and a search takes 100 us. What is loaded is a matter of the process, and so is what was found.
  static std::mutex mutex;
  static std::pair<unsigned long long, unsigned long long> seen;
  static std::shared_ptr<const Cuda> found;
  const auto changes = library_changes();
  const std::lock_guard lock(mutex);
  if (changes != seen) {
    found = look_for_cuda();
    seen = library_changes();
  }
  return found;
}

}  // namespace longhaul::device
