// The environment abstraction layer, which DPDK starts once a process.
#pragma once
#include <stdbool.h>
#include <stdint.h>

/// Starts EAL with a command line, and leaves the caller's processor affinity as it was.
int apus_eal_start(int count, char **arguments);

/// Whether the calling thread may run on a processor.
bool apus_may_run_on(int processor);

/// Makes the calling thread one of DPDK's, so that it has a cache in each pool, and its naps end
/// on time. Returns 1 when it became one, 0 when it was one before.
int apus_thread_register(void);
void apus_thread_unregister(void);

uint64_t apus_cycles(void);
uint64_t apus_cycles_per_second(void);

/// A file to end a nap by, from any thread (eventfd(2)), or a negative errno.
int apus_waker_open(void);
void apus_waker_call(int waker);

/// Sleeps until the waker is called, or the time is over.
void apus_nap(int waker, uint32_t nanoseconds);
