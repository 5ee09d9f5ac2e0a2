// Packet sockets and taps, whose frames carry virtio-net headers.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "CXDP.h"

static int set_flag(int fd, int option) {
  int on = 1;
  return setsockopt(fd, SOL_PACKET, option, &on, sizeof on);
}

static int join_fanout(int fd, uint16_t *group) {
  uint32_t flags = PACKET_FANOUT_HASH | (*group == 0 ? PACKET_FANOUT_FLAG_UNIQUEID : 0);
  uint32_t value = *group | flags << 16;
  if (setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, sizeof value) < 0) return -errno;
  socklen_t bytes = sizeof value;
  if (getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, &bytes) < 0) return -errno;
  *group = (uint16_t)value;
  return 0;
}

int cxdp_packet_open(
    int interface_index, bool receives, int receive_buffer_bytes, uint16_t *fanout) {
  // Protocol 0 takes nothing before the socket is bound to its interface.
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  struct sockaddr_ll address = {
      .sll_family = AF_PACKET,
      .sll_protocol = receives ? __builtin_bswap16(ETH_P_ALL) : 0,
      .sll_ifindex = interface_index,
  };
  int result = 0;
  if (set_flag(fd, PACKET_VNET_HDR) < 0 || set_flag(fd, PACKET_QDISC_BYPASS) < 0 ||
      set_flag(fd, PACKET_IGNORE_OUTGOING) < 0 ||
      setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer_bytes, sizeof(int)) < 0 ||
      bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
    result = -errno;
  if (result == 0 && fanout) result = join_fanout(fd, fanout);
  if (result == 0) return fd;
  close(fd);
  return result;
}

uint32_t cxdp_packet_missed(int fd) {
  struct tpacket_stats found = {0};
  socklen_t bytes = sizeof found;
  if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &found, &bytes) < 0) return 0;
  return found.tp_drops;
}

int cxdp_tap_open(const char *name, bool is_multiqueue) {
  int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -errno;
  struct ifreq request = {0};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (is_multiqueue ? IFF_MULTI_QUEUE : 0);
  int header = sizeof(struct cxdp_header);
  unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  if (ioctl(fd, TUNSETIFF, &request) == 0 && ioctl(fd, TUNSETVNETHDRSZ, &header) == 0 &&
      ioctl(fd, TUNSETOFFLOAD, offloads) == 0)
    return fd;
  int result = -errno;
  close(fd);
  return result;
}

int cxdp_packet_receive(int fd, struct cxdp_frame *frames, int count) {
  struct mmsghdr messages[CXDP_BURST];
  struct iovec parts[CXDP_BURST][2];
  if (count > CXDP_BURST) count = CXDP_BURST;
  for (int i = 0; i < count; i++) {
    parts[i][0] = (struct iovec){&frames[i].header, sizeof frames[i].header};
    parts[i][1] = (struct iovec){frames[i].data, frames[i].capacity};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = parts[i], .msg_iovlen = 2};
  }
  int came = recvmmsg(fd, messages, count, MSG_DONTWAIT, NULL);
  if (came < 0) return -errno;
  for (int i = 0; i < came; i++) {
    uint32_t bytes = messages[i].msg_len;
    bool whole = bytes >= sizeof frames[i].header && !(messages[i].msg_hdr.msg_flags & MSG_TRUNC);
    frames[i].length = whole ? bytes - sizeof frames[i].header : 0;
  }
  return came;
}

int cxdp_tap_receive(int fd, struct cxdp_frame *frames, int count) {
  int came = 0;
  while (came < count) {
    struct cxdp_frame *frame = &frames[came];
    struct iovec parts[2] = {
        {&frame->header, sizeof frame->header}, {frame->data, frame->capacity}};
    ssize_t bytes = readv(fd, parts, 2);
    if (bytes < 0) return came > 0 ? came : -errno;
    // The kernel cuts a frame that does not fit and says the length that was copied.
    bool whole = bytes >= (ssize_t)sizeof frame->header &&
                 bytes < (ssize_t)(sizeof frame->header + frame->capacity);
    frame->length = whole ? (uint32_t)bytes - sizeof frame->header : 0;
    came++;
  }
  return came;
}

void cxdp_packet_send(int fd, struct cxdp_frame *frames, int count) {
  struct mmsghdr messages[CXDP_BURST];
  struct iovec parts[CXDP_BURST][2];
  if (count > CXDP_BURST) count = CXDP_BURST;
  for (int i = 0; i < count; i++) {
    frames[i].error = 0;
    parts[i][0] = (struct iovec){&frames[i].header, sizeof frames[i].header};
    parts[i][1] = (struct iovec){frames[i].data, frames[i].length};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = parts[i], .msg_iovlen = 2};
  }
  int at = 0;
  while (at < count) {
    int sent = sendmmsg(fd, messages + at, count - at, MSG_DONTWAIT);
    if (sent > 0) {
      at += sent;
    } else {
      // The first of them was refused; the others are tried, so that one frame costs only itself.
      frames[at].error = errno;
      at++;
    }
  }
}

void cxdp_tap_send(int fd, struct cxdp_frame *frames, int count) {
  for (int i = 0; i < count; i++) {
    struct iovec parts[2] = {
        {&frames[i].header, sizeof frames[i].header}, {frames[i].data, frames[i].length}};
    frames[i].error = writev(fd, parts, 2) < 0 ? errno : 0;
  }
}
