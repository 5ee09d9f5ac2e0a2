// What the fast path needs from the processor and cannot say in Swift.
#pragma once
#include <stdint.h>
#include <x86intrin.h>

/// Brings the line at `address` towards L1; never faults.
static inline void apus_prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

/// Reads the time stamp counter. Only benchmarks call it; the engine takes time as an argument.
static inline uint64_t apus_tsc(void) { return __rdtsc(); }
