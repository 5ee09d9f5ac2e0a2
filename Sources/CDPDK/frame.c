#include "mbuf.h"

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
