#include "mbuf.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <string.h>

uint32_t apus_buffer_headroom(void) { return RTE_PKTMBUF_HEADROOM; }

apus_pool *apus_pool_create(const char *name, uint32_t count, uint32_t cache, uint16_t data_room) {
  return rte_pktmbuf_pool_create(name, count, cache, 0, RTE_PKTMBUF_HEADROOM + data_room,
                                 SOCKET_ID_ANY);
}

void apus_pool_free(apus_pool *pool) { rte_mempool_free(pool); }

uint32_t apus_pool_in_use(const apus_pool *pool) { return rte_mempool_in_use_count(pool); }

uint32_t apus_pool_size(const apus_pool *pool) { return pool->size; }

bool apus_pool_is_empty(const apus_pool *pool) { return rte_mempool_avail_count(pool) == 0; }

void *apus_buffer_allocate(apus_pool *pool) {
  struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
  return mbuf == NULL ? NULL : rte_pktmbuf_mtod(mbuf, void *);
}

void apus_buffer_free(void *start) { rte_pktmbuf_free(mbuf_at(start)); }

void apus_mbufs_free(apus_mbuf **mbufs, uint32_t count) {
  rte_pktmbuf_free_bulk((struct rte_mbuf **)mbufs, count);
}

void apus_buffer_copy(const void *base, uint32_t headroom, uint32_t length, uint32_t offset,
                      uint32_t count, void *target) {
  const struct rte_mbuf *mbuf = mbuf_at((const char *)base - headroom);
  const char *bytes = base;
  // The mbuf's own idea of its first bytes is stale: the engine may have moved them.
  while (count > 0) {
    if (offset < length) {
      uint32_t part = RTE_MIN(count, length - offset);
      memcpy(target, bytes + offset, part);
      target = (char *)target + part;
      count -= part;
      offset = 0;
    } else {
      offset -= length;
    }
    mbuf = mbuf->next;
    if (mbuf == NULL) return;
    bytes = rte_pktmbuf_mtod(mbuf, const char *);
    length = mbuf->data_len;
  }
}

#define GENEVE_PORT 6081

/// Says where the outer headers stand, in a tunnel packet whose inner one is offloaded.
static void request_tunnel(struct rte_mbuf *mbuf, const apus_offload *offload) {
  const struct rte_ether_hdr *ethernet = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);
  bool is_ipv6 = ethernet->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6);
  uint16_t network = is_ipv6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
  const struct rte_udp_hdr *udp = RTE_PTR_ADD(ethernet, RTE_ETHER_HDR_LEN + network);
  mbuf->outer_l2_len = RTE_ETHER_HDR_LEN;
  mbuf->outer_l3_len = network;
  // The inner "layer 2" begins behind the outer IP header: UDP, tunnel header, Ethernet.
  mbuf->l2_len = offload->network - RTE_ETHER_HDR_LEN - network;
  mbuf->ol_flags |= is_ipv6 ? RTE_MBUF_F_TX_OUTER_IPV6
                            : RTE_MBUF_F_TX_OUTER_IPV4 | RTE_MBUF_F_TX_OUTER_IP_CKSUM;
  mbuf->ol_flags |= udp->dst_port == rte_cpu_to_be_16(GENEVE_PORT) ? RTE_MBUF_F_TX_TUNNEL_GENEVE
                                                                   : RTE_MBUF_F_TX_TUNNEL_VXLAN;
}

void apus_mbuf_request(apus_mbuf *sent, const apus_offload *offload) {
  struct rte_mbuf *mbuf = (struct rte_mbuf *)sent;
  uint64_t flags = offload->is_ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
  mbuf->tx_offload = 0;
  mbuf->l2_len = offload->network - offload->outer;
  mbuf->l3_len = offload->transport - offload->network;
  mbuf->l4_len = offload->payload - offload->transport;
  flags |= offload->is_tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
  if (offload->segment_size != 0) {
    flags |= RTE_MBUF_F_TX_TCP_SEG;
    if (flags & RTE_MBUF_F_TX_IPV4) flags |= RTE_MBUF_F_TX_IP_CKSUM;
    mbuf->tso_segsz = offload->segment_size;
  }
  mbuf->ol_flags = flags;
  // Only a device ever takes tunnel packets: guests get plain frames.
  if (offload->outer != 0) request_tunnel(mbuf, offload);
}
