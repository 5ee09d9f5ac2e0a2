#define _GNU_SOURCE
#include "CThreads.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

// A signal handler has no argument of its maker's, so this is the process's.
static unsigned long long *noted;
static volatile int count, limit;
static timer_t timer;
volatile int apus_sampling_on;

// Where the linker put the executable's first and last byte of code.
extern const char __executable_start, etext;

static void note(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  if (!apus_sampling_on || count >= limit) return;
#if defined(__x86_64__)
  unsigned long long place = (unsigned long long)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#else
  unsigned long long place = (unsigned long long)((ucontext_t *)context)->uc_mcontext.pc;
#endif
  unsigned long long start = (unsigned long long)&__executable_start;
  int isOurs = place >= start && place < (unsigned long long)&etext;
  noted[count++] = isOurs ? place - start : 0;
}

int apus_sampling_begin(unsigned long long *addresses, int capacity, long nanoseconds) {
  if (noted) return EBUSY;
  struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_RESTART};
  if (sigaction(SIGPROF, &action, NULL) != 0) return errno;
  noted = addresses;
  count = 0;
  limit = capacity;
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGPROF;
  event._sigev_un._tid = (int)syscall(SYS_gettid);
  struct itimerspec every = {{0, nanoseconds}, {0, nanoseconds}};
  // Time of the wall: timers of a thread's own time go by the kernel's tick, which is too coarse.
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) {
    int error = errno;
    noted = NULL;
    return error;
  }
  if (timer_settime(timer, 0, &every, NULL) == 0) return 0;
  int error = errno;
  apus_sampling_end();
  return error;
}

int apus_sampling_end(void) {
  if (!noted) return 0;
  timer_delete(timer);
  // A signal may still be under way, and would end the process by itself.
  signal(SIGPROF, SIG_IGN);
  noted = NULL;
  return count;
}
