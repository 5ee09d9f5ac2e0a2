#define _GNU_SOURCE
#include "CConfinement.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

int apus_helper_start(const char *name, void (*serve)(int socket, void *context), void *context) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return -errno;
  pid_t child = fork();
  if (child < 0) {
    int error = errno;
    close(ends[0]);
    close(ends[1]);
    return -error;
  }
  if (child > 0) {
    close(ends[1]);
    return ends[0];
  }
  prctl(PR_SET_NAME, name);
  // The end of the data plane is the end of the stream; its signals are not for this process.
  setsid();
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  close_range(STDERR_FILENO + 1, (unsigned)ends[1] - 1, 0);
  close_range((unsigned)ends[1] + 1, ~0U, 0);
  close(STDIN_FILENO);
  open("/dev/null", O_RDWR);
  dup2(STDIN_FILENO, STDOUT_FILENO);
  serve(ends[1], context);
  _exit(0);
}

typedef union {
  struct cmsghdr header;
  char space[CMSG_SPACE(APUS_HELPER_DESCRIPTORS * sizeof(int))];
} control_space;

int apus_helper_send(
    int socket, const void *bytes, size_t size, const int *descriptors, size_t count) {
  if (count > APUS_HELPER_DESCRIPTORS) return -EINVAL;
  control_space control = {.header = {.cmsg_len = CMSG_LEN(count * sizeof(int)),
                                      .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
  if (count > 0) memcpy(CMSG_DATA(&control.header), descriptors, count * sizeof(int));
  struct iovec part = {(void *)bytes, size};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (count > 0) {
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

ssize_t apus_helper_receive(
    int socket, void *bytes, size_t size, int *descriptors, size_t *count, int milliseconds) {
  *count = 0;
  struct pollfd waited = {.fd = socket, .events = POLLIN};
  int ready;
  do {
    ready = poll(&waited, 1, milliseconds);
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) return -errno;
  if (ready == 0) return -EAGAIN;
  control_space control;
  struct iovec part = {bytes, size};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                           .msg_controllen = sizeof control};
  ssize_t came = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (came < 0) return -errno;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    *count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(descriptors, CMSG_DATA(header), *count * sizeof(int));
  }
  return came;
}
