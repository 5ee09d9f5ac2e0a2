#define _GNU_SOURCE
#include "CThreads.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int apus_allowed_processors(unsigned char *allowed, int capacity) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return errno;
  for (int n = 0; n < capacity; n++) allowed[n] = n < CPU_SETSIZE && CPU_ISSET(n, &set);
  return 0;
}

int apus_restrict_thread(const unsigned char *allowed, int capacity) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int n = 0; n < capacity && n < CPU_SETSIZE; n++)
    if (allowed[n]) CPU_SET(n, &set);
  return pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

int apus_pin_thread(int processor) {
  if (processor < 0 || processor >= CPU_SETSIZE) return EINVAL;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  return pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

void apus_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

int apus_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

void apus_eventfd_wait(int descriptor, int milliseconds) {
  struct pollfd wait = {.fd = descriptor, .events = POLLIN};
  if (poll(&wait, 1, milliseconds) <= 0) return;
  uint64_t count;
  if (read(descriptor, &count, sizeof count) < 0) return;
}
