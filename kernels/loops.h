// SPDX-License-Identifier: Apache-2.0
// Plain loops that the compiler vectorises: compiled once per instruction set by the file that calls them (Highway's
// foreach_target.h). The results cannot depend on the choice (see the exactness rule in docs/codecs.md).
#pragma once

// For everything such a loop calls: otherwise the callee keeps the baseline instruction set.
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
