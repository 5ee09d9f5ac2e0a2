// The front-end's half of the vhost-user protocol, as QEMU speaks it
// (https://www.qemu.org/docs/master/interop/vhost-user.html), as far as a network card needs it.
#ifndef HOSTILE_GUEST_VHOST_USER_H
#define HOSTILE_GUEST_VHOST_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vhost_user_request {
  GET_FEATURES = 1,
  SET_FEATURES = 2,
  SET_OWNER = 3,
  SET_MEM_TABLE = 5,
  SET_LOG_BASE = 6,
  SET_VRING_NUM = 8,
  SET_VRING_ADDR = 9,
  SET_VRING_BASE = 10,
  GET_VRING_BASE = 11,
  SET_VRING_KICK = 12,
  SET_VRING_CALL = 13,
  GET_PROTOCOL_FEATURES = 15,
  SET_PROTOCOL_FEATURES = 16,
  SET_VRING_ENABLE = 18,
};

// A message's header; `size` bytes of payload follow.
struct vhost_user_header {
  uint32_t request;
  uint32_t flags;
  uint32_t size;
};

// Waits on `path` for the data plane to connect, or connects to it. -1 when that does not happen
// within `milliseconds`.
int vhost_user_open(const char *path, bool connects, int milliseconds);

// Sends a message with at most one descriptor (-1 for none). False when the session is over.
bool vhost_user_send(int socket, uint32_t request, const void *payload, uint32_t size, int file);

// Sends a request and reads its 64-bit answer. False when the session is over, or after 20 s.
bool vhost_user_ask(int socket, uint32_t request, uint64_t *answer);

// Reads as many bytes; false when the session is over, or after 20 s without any.
bool vhost_user_receive(int socket, void *bytes, size_t count);

// Whether the data plane has closed the session.
bool vhost_user_is_closed(int socket);

#endif
