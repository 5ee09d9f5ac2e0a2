// Waiting for descriptors: epoll(7) and eventfd(2).
#define _GNU_SOURCE
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "CXDP.h"

int cxdp_watcher_open(void) {
  int fd = epoll_create1(EPOLL_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

int cxdp_watch(int watcher, int fd, uint64_t tag) {
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};
  return epoll_ctl(watcher, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void cxdp_unwatch(int watcher, int fd) { epoll_ctl(watcher, EPOLL_CTL_DEL, fd, NULL); }

int cxdp_wait(int watcher, uint64_t *tags, int count, int64_t microseconds) {
  struct epoll_event events[CXDP_BURST];
  struct timespec time = {microseconds / 1000000, microseconds % 1000000 * 1000};
  if (count > CXDP_BURST) count = CXDP_BURST;
  int came = microseconds == 0 ? epoll_wait(watcher, events, count, 0)
                               : epoll_pwait2(watcher, events, count, &time, NULL);
  for (int i = 0; i < came; i++) tags[i] = events[i].data.u64;
  return came < 0 ? -errno : came;
}

int cxdp_wakeup_open(void) {
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd < 0 ? -errno : fd;
}

void cxdp_wakeup_set(int fd) {
  uint64_t one = 1;
  (void)!write(fd, &one, sizeof one);
}

void cxdp_wakeup_clear(int fd) {
  uint64_t value;
  (void)!read(fd, &value, sizeof value);
}

int cxdp_replace(int fd, int number) {
  int result = dup3(fd, number, 02000000 /* O_CLOEXEC */);
  close(fd);
  return result < 0 ? -errno : 0;
}

void cxdp_raise_memory_limit(void) {
  struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
  if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0) return;
  if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_MEMLOCK, &limit);
}
