// What the C library has only with _GNU_SOURCE, or in headers that Swift does not import.
#pragma once

/// Processors that this process may run on (sched_getaffinity(2)).
///
/// Sets `allowed[n]` to 1 for each processor n below `capacity`, and to 0 for the others.
/// Returns 0, or the number of the error.
int apus_allowed_processors(unsigned char *allowed, int capacity);

/// Restricts the calling thread, and those that it starts from now on, to the processors whose
/// `allowed[n]` is 1.
///
/// Returns 0, or the number of the error.
int apus_restrict_thread(const unsigned char *allowed, int capacity);

/// Binds the calling thread to one processor (pthread_setaffinity_np(3)).
///
/// Returns 0, or the number of the error.
int apus_pin_thread(int processor);

/// Names the calling thread, as ps -L shows it: up to 15 bytes.
void apus_name_thread(const char *name);

/// A new eventfd, non-blocking and closed on exec; negative when the process has no descriptor left.
int apus_eventfd(void);

/// Waits until an eventfd is written to, at most some milliseconds, and clears it.
void apus_eventfd_wait(int descriptor, int milliseconds);

/// Begins to note where this thread's program counter is, at regular times, until
/// `apus_sampling_end`; one thread of a process at a time.
///
/// Addresses are those of the executable's file; what is not its code is noted as 0. Nothing is noted
/// unless `apus_sampling_switch` says so. SIGPROF is used.
/// Returns 0, or the number of the error.
int apus_sampling_begin(unsigned long long *addresses, int capacity, long nanoseconds);

/// Whether addresses are noted, by `apus_sampling_switch`.
extern volatile int apus_sampling_on;

/// Says whether addresses are noted from here on, which they are not at first.
static inline void apus_sampling_switch(int on) { apus_sampling_on = on; }

/// Ends it, and returns how many addresses were noted.
int apus_sampling_end(void);
