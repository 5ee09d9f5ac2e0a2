// What the fast path needs from the processor and the system, and cannot say in Swift.
#pragma once
#include <stdint.h>
#include <x86intrin.h>

/// Brings the line at `address` towards L1; never faults.
static inline void apus_prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

/// How many of the eight 32-bit numbers at `numbers` are below `key`, when they are ascending.
static inline uint32_t apus_keys_below_8(const void *numbers, uint32_t key) {
  __m256i all = _mm256_loadu_si256((const __m256i *)numbers);
  // AVX2 has no comparison of unsigned numbers: one is not below the key that is the larger of both.
  __m256i reached = _mm256_cmpeq_epi32(_mm256_max_epu32(all, _mm256_set1_epi32((int)key)), all);
  return 8 - (uint32_t)__builtin_popcount((unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(reached)));
}

/// Reads the time stamp counter. Only benchmarks and the polling loop call it; the engine takes time
/// as an argument.
static inline uint64_t apus_tsc(void) { return __rdtsc(); }

// MARK: Words that several threads use (C11 memory orders). All are 8-byte aligned.

/// Loads; what the storing thread wrote before its release store is seen afterwards.
static inline uint64_t apus_load_acquire(const uint64_t *word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/// Loads a word that holds an address, as `apus_load_acquire` does.
static inline const void *apus_load_address(const uint64_t *word) {
  return (const void *)apus_load_acquire(word);
}

/// Stores; what this thread did before is seen by who loads the word with acquire.
static inline void apus_store_release(uint64_t *word, uint64_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/// Loads a whole word and orders nothing.
static inline uint64_t apus_load_relaxed(const uint64_t *word) {
  return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/// Stores a whole word and orders nothing.
static inline void apus_store_relaxed(uint64_t *word, uint64_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/// Adds to a word that only this thread writes and others read: no bus lock.
static inline void apus_add_relaxed(uint64_t *word, uint64_t value) {
  __atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) + value, __ATOMIC_RELAXED);
}

/// Adds to a word that several workers change, and returns what it was.
static inline uint64_t apus_fetch_add(uint64_t *word, uint64_t value) {
  return __atomic_fetch_add(word, value, __ATOMIC_RELAXED);
}

/// Exchanges 16 bytes, aligned to 16, if they are what is expected (cmpxchg16b).
static inline _Bool apus_exchange_pair(void *pair, uint64_t old_low, uint64_t old_high,
                                       uint64_t new_low, uint64_t new_high) {
  unsigned __int128 old_value = (unsigned __int128)old_high << 64 | old_low;
  unsigned __int128 new_value = (unsigned __int128)new_high << 64 | new_low;
  return __sync_bool_compare_and_swap((unsigned __int128 *)pair, old_value, new_value);
}

/// Orders everything before against everything after, also a store against a later load.
static inline void apus_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

/// Tells the processor that this is a loop that waits.
static inline void apus_pause(void) { _mm_pause(); }

// MARK: System calls.

/// Zeroed memory, aligned to 128 bytes; NULL when the system refuses. From a megabyte on it takes
/// pages only when it is touched.
void *apus_map_memory(uint64_t bytes);

/// Has the kernel back memory of `apus_map_memory` with pages now, so that no first touch waits.
void apus_back_memory(void *memory, uint64_t bytes);

/// Gives memory of `apus_map_memory` back.
void apus_unmap_memory(void *memory, uint64_t bytes);

/// A new non-blocking eventfd, closed on exec; -1 when the system refuses.
int apus_make_wake_descriptor(void);

/// Adds one to an eventfd, which wakes who polls it; never blocks if the descriptor is non-blocking.
void apus_wake(int descriptor);

/// Sleeps, at least that long unless a signal comes.
void apus_sleep(uint64_t microseconds);

/// CLOCK_MONOTONIC in nanoseconds.
uint64_t apus_monotonic_time(void);
