// Raw AF_XDP sockets: the four rings and their memory barriers (kernel documentation
// networking/af_xdp.rst; tools/lib/bpf/xsk.h is the classic other implementation).
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "CXDP.h"

#ifndef SOL_XDP
#define SOL_XDP 283
#endif
#ifndef AF_XDP
#define AF_XDP 44
#endif

static int map_ring(
    struct cxdp_ring *ring, int fd, uint32_t size, size_t entry_bytes, off_t page,
    const struct xdp_ring_offset *offset) {
  ring->map_bytes = offset->desc + size * entry_bytes;
  ring->map = mmap(NULL, ring->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, page);
  if (ring->map == MAP_FAILED) {
    ring->map = NULL;
    return -errno;
  }
  uint8_t *base = ring->map;
  ring->producer = (uint32_t *)(base + offset->producer);
  ring->consumer = (uint32_t *)(base + offset->consumer);
  ring->flags = (uint32_t *)(base + offset->flags);
  ring->entries = base + offset->desc;
  ring->size = size;
  ring->mask = size - 1;
  return 0;
}

static int set_option(int fd, int option, const void *value, socklen_t bytes) {
  return setsockopt(fd, SOL_XDP, option, value, bytes) == 0 ? 0 : -errno;
}

static int make_rings(struct cxdp_socket *xsk, const struct cxdp_socket_settings *settings) {
  const struct {
    int option;
    const uint32_t *entries;
  } sizes[] = {
      {XDP_UMEM_FILL_RING, &settings->fill_entries},
      {XDP_UMEM_COMPLETION_RING, &settings->completion_entries},
      {XDP_RX_RING, &settings->receive_entries},
      {XDP_TX_RING, &settings->transmit_entries},
  };
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    int result = set_option(xsk->fd, sizes[i].option, sizes[i].entries, sizeof(uint32_t));
    if (result < 0) return result;
  }
  struct xdp_mmap_offsets at;
  socklen_t bytes = sizeof at;
  if (getsockopt(xsk->fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &bytes) < 0) return -errno;
  if (bytes != sizeof at) return -EOPNOTSUPP;
  int result = map_ring(
      &xsk->fill, xsk->fd, settings->fill_entries, sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING, &at.fr);
  if (result == 0)
    result = map_ring(
        &xsk->completion, xsk->fd, settings->completion_entries, sizeof(uint64_t),
        XDP_UMEM_PGOFF_COMPLETION_RING, &at.cr);
  if (result == 0)
    result = map_ring(
        &xsk->receive, xsk->fd, settings->receive_entries, sizeof(struct xdp_desc),
        XDP_PGOFF_RX_RING, &at.rx);
  if (result == 0)
    result = map_ring(
        &xsk->transmit, xsk->fd, settings->transmit_entries, sizeof(struct xdp_desc),
        XDP_PGOFF_TX_RING, &at.tx);
  return result;
}

static int bind_socket(struct cxdp_socket *xsk, const struct cxdp_socket_settings *settings) {
  struct sockaddr_xdp address = {
      .sxdp_family = AF_XDP,
      .sxdp_flags = settings->bind_flags | XDP_USE_NEED_WAKEUP,
      .sxdp_ifindex = settings->interface_index,
      .sxdp_queue_id = settings->queue,
  };
  if (settings->shared_fd >= 0) {
    // The mode is that of the first socket and may not be said again.
    address.sxdp_flags = XDP_SHARED_UMEM;
    address.sxdp_shared_umem_fd = settings->shared_fd;
  }
  // The queue of a process that just ended is freed a moment later.
  int tries = 0;
  while (bind(xsk->fd, (struct sockaddr *)&address, sizeof address) < 0) {
    if (errno != EBUSY || ++tries == 100) return -errno;
    usleep(10000);
  }
  struct xdp_options options = {0};
  socklen_t bytes = sizeof options;
  if (getsockopt(xsk->fd, SOL_XDP, XDP_OPTIONS, &options, &bytes) == 0)
    xsk->is_zero_copy = (options.flags & XDP_OPTIONS_ZEROCOPY) != 0;
  return 0;
}

int cxdp_socket_open(
    struct cxdp_socket *xsk, const struct cxdp_socket_settings *settings, const char **stage) {
  memset(xsk, 0, sizeof *xsk);
  *stage = "socket(AF_XDP)";
  xsk->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (xsk->fd < 0) return -errno;
  int result = 0;
  if (settings->shared_fd < 0) {
    *stage = "XDP_UMEM_REG";
    struct xdp_umem_reg umem = {
        .addr = (uint64_t)(uintptr_t)settings->umem,
        .len = settings->umem_bytes,
        .chunk_size = settings->frame_bytes,
    };
    result = set_option(xsk->fd, XDP_UMEM_REG, &umem, sizeof umem);
  }
  if (result == 0) {
    *stage = "rings";
    result = make_rings(xsk, settings);
  }
  if (result == 0) {
    *stage = "bind";
    result = bind_socket(xsk, settings);
  }
  if (result < 0) cxdp_socket_close(xsk);
  return result;
}

void cxdp_socket_close(struct cxdp_socket *xsk) {
  struct cxdp_ring *rings[] = {&xsk->fill, &xsk->completion, &xsk->receive, &xsk->transmit};
  for (int i = 0; i < 4; i++)
    if (rings[i]->map) munmap(rings[i]->map, rings[i]->map_bytes);
  if (xsk->fd >= 0) close(xsk->fd);
  memset(xsk, 0, sizeof *xsk);
  xsk->fd = -1;
}

uint64_t cxdp_socket_missed(int fd) {
  struct xdp_statistics found = {0};
  socklen_t bytes = sizeof found;
  if (getsockopt(fd, SOL_XDP, XDP_STATISTICS, &found, &bytes) < 0) return 0;
  // `rx_fill_ring_empty_descs` is left out: drivers without zero copy count the same frame in both.
  return found.rx_dropped + found.rx_ring_full;
}

// The other side's end is loaded with acquire, the own end stored with release.
static uint32_t filled(const struct cxdp_ring *ring) {
  return __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE) - *ring->consumer;
}
static uint32_t room(const struct cxdp_ring *ring) {
  return ring->size - (*ring->producer - __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE));
}
static bool needs_wakeup(const struct cxdp_ring *ring) {
  return __atomic_load_n(ring->flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP;
}

uint32_t cxdp_fill_room(const struct cxdp_socket *xsk) { return room(&xsk->fill); }

void cxdp_wake_receive(struct cxdp_socket *xsk) {
  if (needs_wakeup(&xsk->fill)) recvfrom(xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

void cxdp_fill(struct cxdp_socket *xsk, const uint64_t *addresses, uint32_t count) {
  struct cxdp_ring *ring = &xsk->fill;
  uint64_t *entries = ring->entries;
  uint32_t at = *ring->producer;
  for (uint32_t i = 0; i < count; i++) entries[(at + i) & ring->mask] = addresses[i];
  __atomic_store_n(ring->producer, at + count, __ATOMIC_RELEASE);
}

uint32_t cxdp_receive(struct cxdp_socket *xsk, struct xdp_desc *frames, uint32_t count) {
  struct cxdp_ring *ring = &xsk->receive;
  uint32_t there = filled(ring);
  if (there > count) there = count;
  const struct xdp_desc *entries = ring->entries;
  uint32_t at = *ring->consumer;
  for (uint32_t i = 0; i < there; i++) frames[i] = entries[(at + i) & ring->mask];
  __atomic_store_n(ring->consumer, at + there, __ATOMIC_RELEASE);
  return there;
}

uint32_t cxdp_transmit(struct cxdp_socket *xsk, const struct xdp_desc *frames, uint32_t count) {
  struct cxdp_ring *ring = &xsk->transmit;
  uint32_t free = room(ring);
  if (count > free) count = free;
  struct xdp_desc *entries = ring->entries;
  uint32_t at = *ring->producer;
  for (uint32_t i = 0; i < count; i++) entries[(at + i) & ring->mask] = frames[i];
  __atomic_store_n(ring->producer, at + count, __ATOMIC_RELEASE);
  return count;
}

void cxdp_kick(struct cxdp_socket *xsk) {
  struct cxdp_ring *ring = &xsk->transmit;
  // In copy mode one call sends a bounded number of frames and fails with EAGAIN for the rest.
  for (int i = 0; i < 8 && needs_wakeup(ring); i++) {
    if (sendto(xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0) return;
    if (errno != EAGAIN || room(ring) == ring->size) return;
  }
}

uint32_t cxdp_complete(struct cxdp_socket *xsk, uint64_t *addresses, uint32_t count) {
  struct cxdp_ring *ring = &xsk->completion;
  uint32_t there = filled(ring);
  if (there > count) there = count;
  const uint64_t *entries = ring->entries;
  uint32_t at = *ring->consumer;
  for (uint32_t i = 0; i < there; i++) addresses[i] = entries[(at + i) & ring->mask];
  __atomic_store_n(ring->consumer, at + there, __ATOMIC_RELEASE);
  return there;
}
