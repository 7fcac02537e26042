// SPDX-License-Identifier: Apache-2.0
// How kernels get fast without intrinsics: plain loops that the compiler vectorises, compiled once per instruction set
// and chosen when the library is loaded. The results cannot depend on the choice (see the exactness rule in
// docs/codecs.md).
#pragma once

// Sanitizers instrument the resolver that picks the clone, which runs before their own start-up: no clones there.
// GCC 12 has no macro for UBSan; builds with it define LH_NO_TARGET_CLONES.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LH_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer) || \
    __has_feature(undefined_behavior_sanitizer)
#define LH_SANITIZED 1
#endif
#endif

// Use it on functions that are called in their own file only, and give each a name unique in the library: clang 14
// exports the resolver under that name and the function itself under none.
#if defined(LH_NO_TARGET_CLONES) || defined(LH_SANITIZED) || !defined(__x86_64__) || !defined(__gnu_linux__)
#define LH_TARGET_CLONES
#elif defined(__clang__)
// Not "arch=x86-64-v4" as below: clang 14 compiles that into a test of the CPU's vendor.
#define LH_TARGET_CLONES __attribute__((target_clones("avx512bw", "avx2", "default")))
#else
#define LH_TARGET_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif

// For everything a clone calls: otherwise the callee keeps the baseline instruction set.
#define LH_INLINE __attribute__((always_inline)) inline

// In front of a loop whose iterations touch disjoint elements: dst may be exactly a source, never a shifted one.
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed"  // unoptimised and sanitized builds vectorise nothing: no news
#define LH_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define LH_INDEPENDENT _Pragma("GCC ivdep")
#else
#define LH_INDEPENDENT
#endif
