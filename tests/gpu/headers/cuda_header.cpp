// SPDX-License-Identifier: Apache-2.0
// What lib/device declares is what cuda.h and nccl.h say. Compiled where they are; nothing to run.
#include <cuda.h>

#include <string_view>

#include "device/cuda.h"
#include "device/nccl.h"
#if __has_include(<nccl.h>)
#include <nccl.h>
#endif

namespace longhaul::device {

#define LH_TEXT_OF(x) #x
#define LH_TEXT(x) LH_TEXT_OF(x)

constexpr std::string_view kDeclared[] = {
#define LH_NAME(member, name, arguments) name,
    LH_CUDA_FUNCTIONS(LH_NAME)
#undef LH_NAME
};

/// Whether the version of a function that cuda.h would call is the one looked up.
constexpr bool looked_up(std::string_view name) {
  for (const std::string_view declared : kDeclared)
    if (declared == name) return true;
  return false;
}

// But for cuEventElapsedTime, whose second version came with CUDA 12.8: older drivers have only the first, and newer ones both.
#define LH_SAME_VERSION(name) static_assert(looked_up(LH_TEXT(name)), "another version of " #name)
LH_SAME_VERSION(cuDeviceGetUuid);
LH_SAME_VERSION(cuDevicePrimaryCtxRelease);
LH_SAME_VERSION(cuCtxPushCurrent);
LH_SAME_VERSION(cuCtxPopCurrent);
LH_SAME_VERSION(cuStreamDestroy);
LH_SAME_VERSION(cuStreamWaitValue32);
LH_SAME_VERSION(cuStreamWriteValue32);
LH_SAME_VERSION(cuStreamIsCapturing);
LH_SAME_VERSION(cuEventDestroy);
LH_SAME_VERSION(cuMemAlloc);
LH_SAME_VERSION(cuMemFree);
LH_SAME_VERSION(cuMemHostAlloc);
LH_SAME_VERSION(cuMemcpyAsync);
LH_SAME_VERSION(cuPointerGetAttribute);

static_assert(sizeof(CUresult) == sizeof(CuResult) && sizeof(CUdeviceptr) == sizeof(CuPointer) && sizeof(CUuuid) == sizeof(CuUuid));
static_assert(kCudaSuccess == CUDA_SUCCESS && kCudaInvalidValue == CUDA_ERROR_INVALID_VALUE && kCudaNotReady == CUDA_ERROR_NOT_READY);
static_assert(kStreamNonBlocking == CU_STREAM_NON_BLOCKING && kEventDefault == CU_EVENT_DEFAULT && kEventDisableTiming == CU_EVENT_DISABLE_TIMING);
static_assert(kHostAllocPortable == CU_MEMHOSTALLOC_PORTABLE && kHostAllocMapped == CU_MEMHOSTALLOC_DEVICEMAP);
static_assert(kWaitGreaterOrEqual == CU_STREAM_WAIT_VALUE_GEQ && kWriteDefault == CU_STREAM_WRITE_VALUE_DEFAULT);
static_assert(kPointerMemoryType == CU_POINTER_ATTRIBUTE_MEMORY_TYPE && kPointerIsManaged == CU_POINTER_ATTRIBUTE_IS_MANAGED);
static_assert(kPointerDeviceOrdinal == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL && kMemoryTypeDevice == CU_MEMORYTYPE_DEVICE);
static_assert(kCaptureNone == CU_STREAM_CAPTURE_STATUS_NONE);

#ifdef NCCL_MAJOR
static_assert(sizeof(ncclUniqueId) == sizeof(NcclUniqueId) && kNcclSuccess == ncclSuccess && kNcclInProgress == ncclInProgress);
static_assert(kNcclUndefined == NCCL_CONFIG_UNDEF_INT && NcclConfig{}.magic == NCCL_API_MAGIC);
static_assert(offsetof(ncclConfig_t, blocking) == offsetof(NcclConfig, blocking) && offsetof(ncclConfig_t, maxCTAs) == offsetof(NcclConfig, max_ctas));
static_assert(offsetof(ncclConfig_t, trafficClass) == offsetof(NcclConfig, traffic_class));
static_assert(offsetof(ncclConfig_t, commName) == offsetof(NcclConfig, comm_name));
#endif

}  // namespace longhaul::device
