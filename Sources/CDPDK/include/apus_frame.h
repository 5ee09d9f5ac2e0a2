// Frames and the pools of their buffers.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// A received packet: the descriptor of the engine (`Datapath.Packet`), so that it is filled in where
/// it is used. `DPDKIO` checks that both have the same layout.
typedef struct {
  /// A frame in one or more buffers, the first of which begins `headroom` bytes before `base`.
  void *base;
  uint64_t time;
  /// Bytes in the first buffer, and in all.
  uint32_t length;
  uint32_t total;
  uint32_t headroom;
  /// Written only with `APUS_PACKET_PARTIAL_CHECKSUM`.
  uint16_t flags;
  uint8_t judgement[6];
  uint32_t places[6];
  uint16_t entropy;
  /// TCP payload of each segment; written only for a frame that is to be segmented.
  uint16_t segment_size;
} apus_packet;

/// The TCP or UDP checksum field holds the sum of the pseudo-header only.
#define APUS_PACKET_PARTIAL_CHECKSUM 64

/// What an mbuf says of its frame, where a frame that is to be sent changes it. `mbuf.h` checks the
/// places, as DPDK's headers are not for Swift.
typedef struct {
  uint8_t address[16];
  uint16_t data_offset;
  uint8_t references[6];
  uint64_t offloads;
  uint32_t packet_type;
  uint32_t total;
  uint16_t length;
} apus_mbuf;

/// The mbuf of a buffer, which says what its frame is now, without offloads.
static inline apus_mbuf *apus_mbuf_of(void *base, uint32_t length, uint32_t headroom) {
  apus_mbuf *mbuf = (apus_mbuf *)((char *)base - headroom - 128);
  mbuf->data_offset = (uint16_t)headroom;
  mbuf->offloads = 0;
  mbuf->total += length - mbuf->length;
  mbuf->length = (uint16_t)length;
  return mbuf;
}

/// What a device has to finish of a frame.
typedef struct {
  /// Offsets of headers from the frame's first byte; `outer` counts the bytes of a tunnel's headers
  /// before the inner Ethernet header.
  uint16_t network, transport, payload, outer;
  /// TCP payload of each segment; 0 for a checksum only.
  uint16_t segment_size;
  bool is_ipv6, is_tcp;
} apus_offload;

/// Asks for the checksum, and the segmentation, that a frame still needs.
void apus_mbuf_request(apus_mbuf *mbuf, const apus_offload *offload);

/// The most frames of a call.
#define APUS_BURST 64

/// Bytes that a buffer has before a frame (`RTE_PKTMBUF_HEADROOM`).
uint32_t apus_buffer_headroom(void);

typedef struct rte_mempool apus_pool;

/// A pool of `count` buffers with `data_room` bytes behind the headroom; NULL when memory lacks.
apus_pool *apus_pool_create(const char *name, uint32_t count, uint32_t cache, uint16_t data_room);
void apus_pool_free(apus_pool *pool);
/// Buffers that are neither in the pool nor in a thread's cache. Walks the caches of all threads.
uint32_t apus_pool_in_use(const apus_pool *pool);
/// Buffers in all.
uint32_t apus_pool_size(const apus_pool *pool);
bool apus_pool_is_empty(const apus_pool *pool);

/// The first byte behind the headroom of a new buffer, or NULL.
void *apus_buffer_allocate(apus_pool *pool);

/// Gives back all buffers of the frame whose first buffer begins at `start`.
void apus_buffer_free(void *start);

/// Gives back all buffers of frames, at most `APUS_BURST`.
void apus_mbufs_free(apus_mbuf **mbufs, uint32_t count);

/// Copies bytes of a frame of which `length` bytes stand at `base`, and the rest in further buffers
/// of the one that begins `headroom` before `base`. Bytes beyond the frame are left alone.
void apus_buffer_copy(const void *base, uint32_t headroom, uint32_t length, uint32_t offset,
                      uint32_t count, void *target);
