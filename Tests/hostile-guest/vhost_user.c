#define _GNU_SOURCE
#include "vhost_user.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_un address_of(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  return address;
}

static int wait_for_peer(const char *path, int milliseconds) {
  struct sockaddr_un address = address_of(path);
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  unlink(path);
  int link = -1;
  if (bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0) {
    struct pollfd event = {.fd = listener, .events = POLLIN};
    if (poll(&event, 1, milliseconds) == 1) link = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  }
  close(listener);
  unlink(path);
  return link;
}

static int connect_to_peer(const char *path, int milliseconds) {
  struct sockaddr_un address = address_of(path);
  for (int waited = 0; waited <= milliseconds; waited += 50) {
    int link = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(link, (struct sockaddr *)&address, sizeof address) == 0) return link;
    close(link);
    usleep(50000);
  }
  return -1;
}

int vhost_user_open(const char *path, bool connects, int milliseconds) {
  return connects ? connect_to_peer(path, milliseconds) : wait_for_peer(path, milliseconds);
}

bool vhost_user_send(int socket, uint32_t request, const void *payload, uint32_t size, int file) {
  struct vhost_user_header header = {.request = request, .flags = 1, .size = size};
  struct iovec parts[] = {{&header, sizeof header}, {(void *)payload, size}};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof file)];
  } control = {0};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = size ? 2 : 1};
  if (file >= 0) {
    message.msg_control = &control;
    message.msg_controllen = sizeof control.bytes;
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof file);
    memcpy(CMSG_DATA(rights), &file, sizeof file);
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL) == (ssize_t)(sizeof header + size);
}

bool vhost_user_receive(int socket, void *bytes, size_t count) {
  for (size_t have = 0; have < count;) {
    struct pollfd event = {.fd = socket, .events = POLLIN};
    if (poll(&event, 1, 20000) != 1) return false;
    ssize_t got = recv(socket, (char *)bytes + have, count - have, 0);
    if (got <= 0) return false;
    have += got;
  }
  return true;
}

bool vhost_user_ask(int socket, uint32_t request, uint64_t *answer) {
  struct vhost_user_header header;
  return vhost_user_send(socket, request, NULL, 0, -1) &&
         vhost_user_receive(socket, &header, sizeof header) && header.request == request &&
         header.size == sizeof *answer && vhost_user_receive(socket, answer, sizeof *answer);
}

bool vhost_user_is_closed(int socket) {
  char byte;
  return recv(socket, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0 ||
         (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}
