#include "CDataplane.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/// Below this size memory is of the heap: giving pages back to the kernel interrupts every processor
/// that runs a thread of the process, workers included.
#define MAPPED_FROM (UINT64_C(1) << 20)
#define LINE 128

void *apus_map_memory(uint64_t bytes) {
  if (bytes < MAPPED_FROM) {
    size_t whole = (bytes + LINE - 1) / LINE * LINE;
    void *memory = aligned_alloc(LINE, whole);
    return memory == NULL ? NULL : memset(memory, 0, whole);
  }
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

void apus_back_memory(void *memory, uint64_t bytes) {
  // The heap's was touched when it was made. Where the kernel cannot, pages come when they are touched.
  if (bytes >= MAPPED_FROM) madvise(memory, bytes, MADV_POPULATE_WRITE);
}

void apus_unmap_memory(void *memory, uint64_t bytes) {
  if (bytes < MAPPED_FROM)
    free(memory);
  else
    munmap(memory, bytes);
}

int apus_make_wake_descriptor(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

void apus_wake(int descriptor) {
  uint64_t one = 1;
  // A counter that is full already wakes just as well, so the result does not matter.
  ssize_t written = write(descriptor, &one, sizeof one);
  (void)written;
}

void apus_sleep(uint64_t microseconds) {
  struct timespec pause = {.tv_sec = (time_t)(microseconds / 1000000),
                           .tv_nsec = (long)(microseconds % 1000000) * 1000};
  nanosleep(&pause, NULL);
}

uint64_t apus_monotonic_time(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
