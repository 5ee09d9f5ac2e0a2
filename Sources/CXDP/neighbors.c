// Routes and neighbours of the kernel by rtnetlink(7).
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "CXDP.h"

struct request {
  struct nlmsghdr header;
  union {
    struct rtmsg route;
    struct ndmsg neighbor;
  };
  uint8_t attributes[64];
};

int cxdp_netlink_open(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return -errno;
  struct timeval limit = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return fd;
}

static uint32_t address_bytes(uint32_t family) { return family == 4 ? 4 : 16; }
static uint8_t address_family(uint32_t family) { return family == 4 ? AF_INET : AF_INET6; }

static void add_address(struct request *request, uint16_t type, uint32_t family, const void *address) {
  struct rtattr *attribute = (void *)((uint8_t *)request + NLMSG_ALIGN(request->header.nlmsg_len));
  attribute->rta_type = type;
  attribute->rta_len = RTA_LENGTH(address_bytes(family));
  memcpy(RTA_DATA(attribute), address, address_bytes(family));
  request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + attribute->rta_len;
}

/// Sends a request and reads its answer, which is one message; 0, or a negative errno.
static int ask(int fd, struct request *request, void *answer, size_t bytes) {
  static __thread uint32_t sequence;
  request->header.nlmsg_seq = ++sequence;
  if (send(fd, request, request->header.nlmsg_len, 0) < 0) return -errno;
  for (int i = 0; i < 16; i++) {
    ssize_t came = recv(fd, answer, bytes, 0);
    if (came < 0) return -errno;
    const struct nlmsghdr *header = answer;
    if (came < (ssize_t)sizeof *header || !NLMSG_OK(header, (size_t)came)) return -EBADMSG;
    // The answer to an earlier request that was given up.
    if (header->nlmsg_seq != request->header.nlmsg_seq) continue;
    if (header->nlmsg_type != NLMSG_ERROR) return 0;
    return ((const struct nlmsgerr *)NLMSG_DATA(header))->error;
  }
  return -ETIMEDOUT;
}

int cxdp_next_hop(
    int fd, uint32_t family, const uint8_t *address, uint32_t *interface_index, uint8_t *next_hop) {
  struct request request = {
      .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
                 .nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST},
      .route = {.rtm_family = address_family(family), .rtm_dst_len = address_bytes(family) * 8},
  };
  add_address(&request, RTA_DST, family, address);
  uint8_t answer[4096] __attribute__((aligned(8)));
  int result = ask(fd, &request, answer, sizeof answer);
  if (result < 0) return result;
  const struct nlmsghdr *header = (void *)answer;
  if (header->nlmsg_type != RTM_NEWROUTE) return -EBADMSG;
  const struct rtmsg *route = NLMSG_DATA(header);
  if (route->rtm_type != RTN_UNICAST) return -EADDRNOTAVAIL;
  memcpy(next_hop, address, address_bytes(family));
  *interface_index = 0;
  int left = (int)RTM_PAYLOAD(header);
  for (const struct rtattr *a = RTM_RTA(route); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
    if (a->rta_type == RTA_OIF && RTA_PAYLOAD(a) == 4) memcpy(interface_index, RTA_DATA(a), 4);
    if (a->rta_type == RTA_GATEWAY && RTA_PAYLOAD(a) == address_bytes(family))
      memcpy(next_hop, RTA_DATA(a), address_bytes(family));
  }
  return 0;
}

int cxdp_neighbor(
    int fd, uint32_t family, const uint8_t *address, uint32_t interface_index, uint64_t *mac,
    uint16_t *state) {
  struct request request = {
      .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ndmsg)),
                 .nlmsg_type = RTM_GETNEIGH, .nlmsg_flags = NLM_F_REQUEST},
      .neighbor = {.ndm_family = address_family(family), .ndm_ifindex = (int)interface_index},
  };
  add_address(&request, NDA_DST, family, address);
  uint8_t answer[4096] __attribute__((aligned(8)));
  *mac = 0;
  *state = NUD_NONE;
  int result = ask(fd, &request, answer, sizeof answer);
  if (result < 0) return result == -ENOENT ? 0 : result;
  const struct nlmsghdr *header = (void *)answer;
  if (header->nlmsg_type != RTM_NEWNEIGH) return -EBADMSG;
  const struct ndmsg *neighbor = NLMSG_DATA(header);
  *state = neighbor->ndm_state;
  const struct rtattr *a =
      (void *)((const uint8_t *)neighbor + NLMSG_ALIGN(sizeof(struct ndmsg)));
  int left = (int)NLMSG_PAYLOAD(header, sizeof(struct ndmsg));
  for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
    if (a->rta_type != NDA_LLADDR || RTA_PAYLOAD(a) != 6) continue;
    const uint8_t *bytes = RTA_DATA(a);
    for (int i = 0; i < 6; i++) *mac = *mac << 8 | bytes[i];
  }
  return 0;
}

int cxdp_neighbor_use(
    int fd, uint32_t family, const uint8_t *address, uint32_t interface_index) {
  struct request request = {
      .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ndmsg)),
                 .nlmsg_type = RTM_NEWNEIGH,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE},
      .neighbor = {.ndm_family = address_family(family), .ndm_ifindex = (int)interface_index,
                   .ndm_state = NUD_NONE, .ndm_flags = NTF_USE},
  };
  add_address(&request, NDA_DST, family, address);
  uint8_t answer[4096] __attribute__((aligned(8)));
  return ask(fd, &request, answer, sizeof answer);
}
