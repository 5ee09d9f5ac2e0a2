// Between mbufs and the frames that Swift sees.
#pragma once
#include <rte_mbuf.h>
#include <rte_net.h>
#include <stddef.h>

#include "apus_frame.h"

/// The mbuf of a buffer: pools are made without private data, so the buffer stands right behind it.
static inline struct rte_mbuf *mbuf_at(const void *start) {
  return RTE_PTR_SUB(start, sizeof(struct rte_mbuf));
}

/// Whether `mbuf_at` finds an mbuf again, and outer headers fit before its bytes.
static inline bool mbuf_is_plain(const struct rte_mbuf *mbuf) {
  return RTE_MBUF_DIRECT(mbuf) && mbuf->buf_addr == RTE_PTR_ADD(mbuf, sizeof(struct rte_mbuf)) &&
         mbuf->data_off >= RTE_PKTMBUF_HEADROOM;
}

_Static_assert(sizeof(struct rte_mbuf) == 128 &&
                   offsetof(apus_mbuf, data_offset) == offsetof(struct rte_mbuf, data_off) &&
                   offsetof(apus_mbuf, offloads) == offsetof(struct rte_mbuf, ol_flags) &&
                   offsetof(apus_mbuf, total) == offsetof(struct rte_mbuf, pkt_len) &&
                   offsetof(apus_mbuf, length) == offsetof(struct rte_mbuf, data_len),
               "apus_mbuf is not the mbuf of this DPDK");

/// Fills in what every received packet has.
static inline void packet_of(const struct rte_mbuf *mbuf, apus_packet *packet) {
  packet->base = rte_pktmbuf_mtod(mbuf, void *);
  packet->length = mbuf->data_len;
  packet->total = mbuf->pkt_len;
  packet->headroom = mbuf->data_off;
}
