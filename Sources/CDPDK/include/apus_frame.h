// Frames and the pools of their buffers.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// The TCP or UDP checksum field holds the sum of the pseudo-header only.
#define APUS_FRAME_PARTIAL_CHECKSUM 1
#define APUS_FRAME_IPV6 2
#define APUS_FRAME_TCP 4

/// A frame in one or more buffers, the first of which begins `headroom` bytes before `base`.
typedef struct {
  void *base;
  /// Bytes in the first buffer, and in all.
  uint32_t length;
  uint32_t total;
  uint32_t headroom;
  /// TCP payload of each segment; 0 for a frame that is one packet.
  uint16_t segment_size;
  /// Offsets of headers from `base`, for a frame to send with a partial checksum or to be
  /// segmented; `outer` counts the bytes of a tunnel's headers before the inner Ethernet header.
  uint16_t network, transport, payload, outer;
  uint8_t flags;
} apus_frame;

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

/// Copies bytes of a frame of which `length` bytes stand at `base`, and the rest in further buffers
/// of the one that begins `headroom` before `base`. Bytes beyond the frame are left alone.
void apus_buffer_copy(const void *base, uint32_t headroom, uint32_t length, uint32_t offset,
                      uint32_t count, void *target);
