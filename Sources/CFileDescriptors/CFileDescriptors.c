#define _GNU_SOURCE
#include "CFileDescriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int address_of(const char *path, struct sockaddr_un *address) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  size_t length = strlen(path);
  if (length == 0 || length >= sizeof address->sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(address->sun_path, path, length);
  return 0;
}

static int close_with_errno(int descriptor) {
  int error = errno;
  close(descriptor);
  errno = error;
  return -1;
}

int apus_unix_connect(const char *path) {
  struct sockaddr_un address;
  if (address_of(path, &address) != 0) return -1;
  int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -1;
  if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0)
    return close_with_errno(descriptor);
  return descriptor;
}

int apus_unix_listen(const char *path, int backlog) {
  struct sockaddr_un address;
  if (address_of(path, &address) != 0) return -1;
  int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -1;
  if (bind(descriptor, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(descriptor, backlog) != 0)
    return close_with_errno(descriptor);
  return descriptor;
}

int apus_unix_accept(int socket) {
  return accept4(socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

ssize_t apus_receive(int socket, void *buffer, size_t size, int *descriptors, size_t *count,
                     int *truncated) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * apus_descriptor_limit)];
  } control;
  struct iovec vector = {.iov_base = buffer, .iov_len = size};
  struct msghdr message = {.msg_iov = &vector,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  *count = 0;
  *truncated = 0;
  ssize_t received = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (received < 0) return received;
  *truncated = (message.msg_flags & MSG_CTRUNC) != 0;
  for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    size_t came = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < came; i++) {
      int descriptor;
      memcpy(&descriptor, CMSG_DATA(part) + i * sizeof(int), sizeof descriptor);
      if (*count < apus_descriptor_limit) {
        descriptors[(*count)++] = descriptor;
      } else {
        *truncated = 1;
        close(descriptor);
      }
    }
  }
  return received;
}

ssize_t apus_send(int socket, const void *buffer, size_t size, const int *descriptors,
                  size_t count) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * apus_descriptor_limit)];
  } control;
  struct iovec vector = {.iov_base = (void *)buffer, .iov_len = size};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
  if (count > apus_descriptor_limit) {
    errno = EINVAL;
    return -1;
  }
  if (count > 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(part), descriptors, sizeof(int) * count);
  }
  return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int apus_event_open(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int apus_make_nonblocking(int descriptor) {
  int flags = fcntl(descriptor, F_GETFL);
  if (flags < 0) return -1;
  if (flags & O_NONBLOCK) return 0;
  return fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
}

int apus_event_signal(int descriptor) {
  uint64_t one = 1;
  if (apus_make_nonblocking(descriptor) != 0) return -1;
  if (write(descriptor, &one, sizeof one) == sizeof one || errno == EAGAIN) return 0;
  return -1;
}

int apus_seal_size(int descriptor) {
  int seals = fcntl(descriptor, F_GET_SEALS);
  if (seals < 0) return -1;
  if (seals & F_SEAL_SHRINK) return 0;
  return fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK);
}
