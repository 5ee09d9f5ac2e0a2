// Counts heap allocations, each thread its own.
#pragma once
#include <stdint.h>

/// Calls of malloc, calloc, realloc and their aligned relatives by the calling thread so far.
uint64_t apus_allocations(void);

/// Calls of free with a pointer that is not null by the calling thread so far.
uint64_t apus_frees(void);

/// Bytes of the process's heap that are in use.
uint64_t apus_heap_in_use(void);
