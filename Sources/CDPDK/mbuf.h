// Between mbufs and the frames that Swift sees.
#pragma once
#include <rte_mbuf.h>
#include <rte_net.h>

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

static inline void frame_of(struct rte_mbuf *mbuf, apus_frame *frame) {
  frame->base = rte_pktmbuf_mtod(mbuf, void *);
  frame->length = mbuf->data_len;
  frame->total = mbuf->pkt_len;
  frame->headroom = mbuf->data_off;
  frame->segment_size = 0;
  frame->flags = 0;
}

/// Makes an mbuf say what its frame says now, without offloads.
static inline struct rte_mbuf *mbuf_of(const apus_frame *frame) {
  struct rte_mbuf *mbuf = mbuf_at((const char *)frame->base - frame->headroom);
  mbuf->data_off = (uint16_t)frame->headroom;
  mbuf->pkt_len += frame->length - mbuf->data_len;
  mbuf->data_len = (uint16_t)frame->length;
  mbuf->ol_flags = 0;
  mbuf->tx_offload = 0;
  return mbuf;
}

/// Asks for the checksum, and the segmentation, that the frame still needs.
static inline void mbuf_request_offload(struct rte_mbuf *mbuf, const apus_frame *frame) {
  bool is_tcp = frame->flags & APUS_FRAME_TCP;
  uint64_t flags = frame->flags & APUS_FRAME_IPV6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
  mbuf->l2_len = frame->network - frame->outer;
  mbuf->l3_len = frame->transport - frame->network;
  mbuf->l4_len = frame->payload - frame->transport;
  flags |= is_tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
  if (frame->segment_size != 0) {
    flags |= RTE_MBUF_F_TX_TCP_SEG;
    if (flags & RTE_MBUF_F_TX_IPV4) flags |= RTE_MBUF_F_TX_IP_CKSUM;
    mbuf->tso_segsz = frame->segment_size;
  }
  mbuf->ol_flags |= flags;
}

static inline bool frame_needs_offload(const apus_frame *frame) {
  return frame->segment_size != 0 || (frame->flags & APUS_FRAME_PARTIAL_CHECKSUM) != 0;
}
