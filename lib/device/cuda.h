// SPDX-License-Identifier: Apache-2.0
// Which functions of the CUDA driver does Longhaul call? Declared here, not taken from cuda.h, so that every build has the device
// code and one binary serves machines with and without GPUs: the functions are found at run time (load.h). The driver's interface
// and not the runtime's, because libcuda.so.1 is the same library whatever runtime the program, PyTorch or NCCL brought along;
// streams, events and pointers of all of them are good here. tests/gpu/headers/cuda_header.cpp
// compares them with cuda.h.
#pragma once

#include <cstddef>
#include <cstdint>

struct CUstream_st;  // what an lhStream_t points to
struct CUevent_st;
struct CUctx_st;
struct CUmod_st;
struct CUfunc_st;

namespace longhaul::device {

using CuResult = int;  ///< CUresult
using CuPointer = unsigned long long;  ///< CUdeviceptr: with unified addresses also of pinned host memory
using CuStream = CUstream_st*;
using CuEvent = CUevent_st*;
using CuContext = CUctx_st*;
using CuModule = CUmod_st*;
using CuFunction = CUfunc_st*;
struct CuUuid {
  char bytes[16];
};

constexpr CuResult kCudaSuccess = 0, kCudaInvalidValue = 1, kCudaNotReady = 600;
constexpr unsigned kStreamNonBlocking = 1, kEventDefault = 0, kEventDisableTiming = 2;
constexpr unsigned kHostAllocPortable = 1, kHostAllocMapped = 2;
constexpr unsigned kWaitGreaterOrEqual = 0;  ///< (int32_t)(*address - value) >= 0
constexpr unsigned kWriteDefault = 0;        ///< with a fence: what the stream did before is visible to who sees the value
constexpr int kPointerMemoryType = 2, kPointerIsManaged = 8, kPointerDeviceOrdinal = 9;
constexpr unsigned kMemoryTypeDevice = 2;
constexpr int kCaptureNone = 0;
constexpr int kMultiprocessors = 16, kCapabilityMajor = 75, kCapabilityMinor = 76;  // attributes of a device
/// Of an image: none of its code runs on this GPU with this driver.
constexpr CuResult kInvalidImage = 200, kNoBinary = 209, kInvalidPtx = 218, kNoCompiler = 221, kUnsupportedPtx = 222, kNoCompilation = 223;

// X(member, exported name, arguments). All return a CuResult.
#define LH_CUDA_FUNCTIONS(X)                                                                                        \
  X(init, "cuInit", (unsigned flags))                                                                               \
  X(driver_version, "cuDriverGetVersion", (int* version))                                                           \
  X(error_name, "cuGetErrorName", (CuResult error, const char** name))                                              \
  X(error_string, "cuGetErrorString", (CuResult error, const char** text))                                          \
  X(device_count, "cuDeviceGetCount", (int* count))                                                                 \
  X(device_get, "cuDeviceGet", (int* device, int ordinal))                                                          \
  X(device_uuid, "cuDeviceGetUuid_v2", (CuUuid* uuid, int device))                                                  \
  X(primary_retain, "cuDevicePrimaryCtxRetain", (CuContext* context, int device))                                   \
  X(primary_release, "cuDevicePrimaryCtxRelease_v2", (int device))                                                  \
  X(context_push, "cuCtxPushCurrent_v2", (CuContext context))                                                       \
  X(context_pop, "cuCtxPopCurrent_v2", (CuContext* context))                                                        \
  X(stream_priorities, "cuCtxGetStreamPriorityRange", (int* least, int* greatest))                                  \
  X(stream_create, "cuStreamCreateWithPriority", (CuStream* stream, unsigned flags, int priority))                  \
  X(stream_destroy, "cuStreamDestroy_v2", (CuStream stream))                                                        \
  X(stream_query, "cuStreamQuery", (CuStream stream))                                                               \
  X(stream_is_capturing, "cuStreamIsCapturing", (CuStream stream, int* status))                                     \
  X(stream_wait_value, "cuStreamWaitValue32_v2", (CuStream stream, CuPointer address, std::uint32_t value, unsigned flags))   \
  X(stream_write_value, "cuStreamWriteValue32_v2", (CuStream stream, CuPointer address, std::uint32_t value, unsigned flags)) \
  X(event_create, "cuEventCreate", (CuEvent* event, unsigned flags))                                                \
  X(event_destroy, "cuEventDestroy_v2", (CuEvent event))                                                            \
  X(event_record, "cuEventRecord", (CuEvent event, CuStream stream))                                                \
  X(event_query, "cuEventQuery", (CuEvent event))                                                                   \
  X(event_elapsed, "cuEventElapsedTime", (float* milliseconds, CuEvent begin, CuEvent end))                         \
  X(memory_allocate, "cuMemAlloc_v2", (CuPointer* pointer, std::size_t bytes))                                      \
  X(memory_free, "cuMemFree_v2", (CuPointer pointer))                                                               \
  X(host_allocate, "cuMemHostAlloc", (void** pointer, std::size_t bytes, unsigned flags))                           \
  X(host_free, "cuMemFreeHost", (void* pointer))                                                                    \
  X(copy, "cuMemcpyAsync", (CuPointer to, CuPointer from, std::size_t bytes, CuStream stream))                      \
  X(set_words, "cuMemsetD32Async", (CuPointer to, unsigned value, std::size_t words, CuStream stream))               \
  X(pointer_attribute, "cuPointerGetAttribute", (void* value, int attribute, CuPointer pointer))                    \
  X(device_attribute, "cuDeviceGetAttribute", (int* value, int attribute, int device))                              \
  X(module_load, "cuModuleLoadData", (CuModule * module, const void* image))                                        \
  X(module_unload, "cuModuleUnload", (CuModule module))                                                             \
  X(module_function, "cuModuleGetFunction", (CuFunction * function, CuModule module, const char* name))             \
  X(launch, "cuLaunchKernel",                                                                                       \
    (CuFunction function, unsigned blocks, unsigned blocks_y, unsigned blocks_z, unsigned threads, unsigned threads_y, unsigned threads_z,  \
     unsigned shared_bytes, CuStream stream, void** arguments, void** extra))

struct Cuda {
#define LH_MEMBER(member, name, arguments) CuResult(*member) arguments = nullptr;
  LH_CUDA_FUNCTIONS(LH_MEMBER)
#undef LH_MEMBER
};

inline CuPointer cu_pointer(const void* pointer) { return reinterpret_cast<CuPointer>(pointer); }

}  // namespace longhaul::device
