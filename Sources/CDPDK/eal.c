#define _GNU_SOURCE
#include "apus_eal.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

int apus_eal_start(int count, char **arguments) {
  cpu_set_t before;
  int known = pthread_getaffinity_np(pthread_self(), sizeof before, &before);
  // Taps are told of frames by queued signals, of which a user has a limited number in all
  // processes. When it is reached the kernel sends SIGIO (fcntl(2), F_SETSIG): it would end this one.
  signal(SIGIO, SIG_IGN);
  int result = rte_eal_init(count, arguments);
  int error = result < 0 ? (rte_errno != 0 ? rte_errno : EINVAL) : 0;
  if (known == 0) pthread_setaffinity_np(pthread_self(), sizeof before, &before);
  return -error;
}

bool apus_may_run_on(int processor) {
  cpu_set_t allowed;
  return pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed) == 0 &&
         CPU_ISSET(processor, &allowed);
}

int apus_thread_register(void) {
  prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
  if (rte_lcore_id() != LCORE_ID_ANY) return 0;
  return rte_thread_register() == 0 ? 1 : -(rte_errno != 0 ? rte_errno : ENOMEM);
}

void apus_thread_unregister(void) { rte_thread_unregister(); }

uint64_t apus_cycles(void) { return rte_rdtsc(); }
uint64_t apus_cycles_per_second(void) { return rte_get_tsc_hz(); }

int apus_waker_open(void) {
  int waker = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return waker >= 0 ? waker : -errno;
}

void apus_waker_call(int waker) {
  // A counter that is full wakes as well.
  eventfd_write(waker, 1);
}

void apus_nap(int waker, uint32_t nanoseconds) {
  struct pollfd watched = {.fd = waker, .events = POLLIN};
  struct timespec time = {.tv_nsec = nanoseconds};
  eventfd_t count;
  if (ppoll(&watched, 1, &time, NULL) > 0) eventfd_read(waker, &count);
}
