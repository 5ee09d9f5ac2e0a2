// AF_XDP sockets, packet sockets, taps and the BPF programs, as thin calls: one for each burst where
// packets are concerned, and no policy. Functions that can fail return a negative errno.
#pragma once
#include <linux/if_xdp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// MARK: Buffers between threads

/// A ring of buffer numbers with one producer and one consumer, which can hold every buffer there
/// is and so is never full. Both ends run freely and wrap.
struct cxdp_return_ring {
  uint32_t *entries;
  uint32_t mask;
  uint32_t pad0[13];
  uint32_t producer;
  uint32_t pad1[15];
  uint32_t consumer;
  uint32_t pad2[15];
};

static inline void cxdp_return_ring_push(struct cxdp_return_ring * ring, uint32_t number) {
  uint32_t at = ring->producer;
  ring->entries[at & ring->mask] = number;
  __atomic_store_n(&ring->producer, at + 1, __ATOMIC_RELEASE);
}

/// Takes one number; false when the ring is empty.
static inline bool cxdp_return_ring_pop(
    struct cxdp_return_ring * ring, uint32_t * number) {
  uint32_t at = ring->consumer;
  if (at == __atomic_load_n(&ring->producer, __ATOMIC_ACQUIRE)) return false;
  *number = ring->entries[at & ring->mask];
  __atomic_store_n(&ring->consumer, at + 1, __ATOMIC_RELAXED);
  return true;
}

/// A byte that another thread writes.
static inline uint8_t cxdp_load(const uint8_t * byte) {
  return __atomic_load_n(byte, __ATOMIC_RELAXED);
}
static inline void cxdp_store(uint8_t * byte, uint8_t value) {
  __atomic_store_n(byte, value, __ATOMIC_RELAXED);
}
/// A counter that one thread writes and others read.
static inline uint64_t cxdp_load_counter(const uint64_t * counter) {
  return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

// MARK: AF_XDP (kernel documentation networking/af_xdp.rst)

struct cxdp_ring {
  uint32_t *producer;
  uint32_t *consumer;
  uint32_t *flags;
  void *entries;
  void *map;
  size_t map_bytes;
  uint32_t mask;
  uint32_t size;
};

struct cxdp_socket {
  int fd;
  bool is_zero_copy;
  struct cxdp_ring fill, completion, receive, transmit;
};

/// Where the memory of frames is, and how rings are sized (powers of two).
struct cxdp_socket_settings {
  uint32_t interface_index;
  uint32_t queue;
  void *umem;
  uint64_t umem_bytes;
  uint32_t frame_bytes;
  /// A bound socket whose frames this one shares, or -1 to register `umem`.
  int shared_fd;
  /// XDP_COPY, XDP_ZEROCOPY or 0; XDP_USE_NEED_WAKEUP is added.
  uint16_t bind_flags;
  uint32_t fill_entries, completion_entries, receive_entries, transmit_entries;
};

/// Opens and binds a socket. On failure nothing stays open, and `stage` names the step that failed.
int cxdp_socket_open(
    struct cxdp_socket *socket, const struct cxdp_socket_settings *settings,
    const char **stage);
void cxdp_socket_close(struct cxdp_socket *socket);
/// XDP_STATISTICS: frames that the kernel dropped for lack of buffers or of room.
uint64_t cxdp_socket_missed(int fd);

/// Frames that can still be put on the fill ring.
uint32_t cxdp_fill_room(const struct cxdp_socket *socket);
/// Puts `count` frame addresses on the fill ring, at most `cxdp_fill_room`, and wakes the driver if
/// it asks for that.
void cxdp_fill(struct cxdp_socket *socket, const uint64_t *addresses, uint32_t count);
/// Takes up to `count` received frames.
uint32_t cxdp_receive(struct cxdp_socket *socket, struct xdp_desc *frames, uint32_t count);
/// Queues up to `count` frames; returns how many had room.
uint32_t cxdp_transmit(struct cxdp_socket *socket, const struct xdp_desc *frames, uint32_t count);
/// Makes the kernel send what is queued, if it waits to be told; bounded.
void cxdp_kick(struct cxdp_socket *socket);
/// Wakes the driver to look at the fill ring, if it asks for that.
void cxdp_wake_receive(struct cxdp_socket *socket);
/// Takes up to `count` addresses of frames that were sent.
uint32_t cxdp_complete(struct cxdp_socket *socket, uint64_t *addresses, uint32_t count);

// MARK: Programs

/// The object that scripts/make-bpf made of bpf/apus_xdp.c.
extern const uint8_t cxdp_object[];
extern const size_t cxdp_object_bytes;

struct cxdp_program {
  void *object;
  int program_fd;
  int sockets_fd;
};

/// Loads the steering program. `family` is 4, 6 or 0, `address` in network byte order.
int cxdp_program_load(struct cxdp_program *program, uint32_t family, const uint8_t *address);
void cxdp_program_close(struct cxdp_program *program);
int cxdp_program_add_socket(const struct cxdp_program *program, uint32_t queue, int socket_fd);
/// Attaches by a link, which the kernel removes when its descriptor is closed or the process ends.
/// Returns the descriptor.
int cxdp_program_attach(const struct cxdp_program *program, int interface_index, bool generic);
/// The link and program on an interface; zero where there is none.
int cxdp_program_query(int interface_index, uint32_t *link, uint32_t *program);

/// Makes the kernel's stack drop all that an interface receives. Packet sockets, which come before
/// it, still see everything. The filter replaces one of the same handle.
int cxdp_ingress_drop(int interface_index);

// MARK: Frames with virtio-net headers

/// struct virtio_net_hdr (virtio 1.2 section 5.1.6), 10 bytes, in host byte order.
struct cxdp_header {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t header_length;
  uint16_t gso_size;
  uint16_t checksum_start;
  uint16_t checksum_offset;
};
_Static_assert(sizeof(struct cxdp_header) == 10, "struct virtio_net_hdr without num_buffers");

#define CXDP_BURST 64

/// A frame for or from a packet socket or tap.
struct cxdp_frame {
  uint8_t *data;
  /// What `data` belongs to; not touched here.
  void *buffer;
  /// Receiving: bytes that fit at `data`.
  uint32_t capacity;
  /// Received: 0 for one that did not fit.
  uint32_t length;
  /// Sent: 0, or the errno that refused the frame.
  int32_t error;
  struct cxdp_header header;
};

/// Opens a packet socket on an interface, with virtio-net headers and past the queueing discipline.
/// `receives` false makes it one for sending only. `fanout` nil, or the group to join; 0 makes one
/// and puts its number there.
int cxdp_packet_open(
    int interface_index, bool receives, int receive_buffer_bytes, uint16_t * fanout);
/// PACKET_STATISTICS: frames dropped since the last call because the socket's buffer was full.
uint32_t cxdp_packet_missed(int fd);
/// Opens a queue of a tap, which is made when it is not there.
int cxdp_tap_open(const char *name, bool is_multiqueue);
/// Receives up to `count` (at most CXDP_BURST) frames by one recvmmsg; 0 or negative for none.
int cxdp_packet_receive(int fd, struct cxdp_frame *frames, int count);
/// The same of a tap, a read for each frame: the device has no call for many.
int cxdp_tap_receive(int fd, struct cxdp_frame *frames, int count);
/// Sends frames; each has its `error` afterwards.
void cxdp_packet_send(int fd, struct cxdp_frame *frames, int count);
void cxdp_tap_send(int fd, struct cxdp_frame *frames, int count);

// MARK: Interfaces

/// Of an interface: index, MTU, MAC address (first byte most significant) and IFF_ flags.
struct cxdp_interface {
  int index;
  int mtu;
  uint32_t flags;
  uint64_t mac;
};

int cxdp_interface_get(const char *name, struct cxdp_interface *found);
/// Sets and clears IFF_ flags.
int cxdp_interface_set_flags(const char *name, uint32_t set, uint32_t clear);
/// Receive queues in use (ETHTOOL_GCHANNELS).
int cxdp_interface_receive_queues(const char *name);
/// Bit numbers of features by name (ETHTOOL_GSTRINGS); -1 for those that this kernel has not.
int cxdp_feature_bits(const char *interface, const char *const *names, int *bits, int count);
/// Active features of an interface (ETHTOOL_GFEATURES), up to 256 bits.
int cxdp_features_get(const char *interface, uint32_t words[8]);

// MARK: Waiting and limits

/// An epoll instance.
int cxdp_watcher_open(void);
/// Reports `tag` while `fd` can be read (level-triggered).
int cxdp_watch(int watcher, int fd, uint64_t tag);
void cxdp_unwatch(int watcher, int fd);
/// The tags of up to `count` (at most CXDP_BURST) descriptors that can be read; waits if none can.
int cxdp_wait(int watcher, uint64_t *tags, int count, int64_t microseconds);
/// An eventfd that another thread sets to end a wait.
int cxdp_wakeup_open(void);
void cxdp_wakeup_set(int fd);
void cxdp_wakeup_clear(int fd);
/// Gives the number of an open descriptor to another file; `fd` is closed.
int cxdp_replace(int fd, int number);
/// Lifts the limit of locked memory as far as this process may.
void cxdp_raise_memory_limit(void);

// MARK: Neighbours (rtnetlink)

/// Addresses are in network byte order, `family` is 4 or 6.
int cxdp_netlink_open(void);
/// The interface and the next hop of a destination.
int cxdp_next_hop(
    int fd, uint32_t family, const uint8_t *address, uint32_t *interface_index, uint8_t *next_hop);
/// MAC address (0 for none) and NUD_ state of a neighbour; none is not an error.
int cxdp_neighbor(
    int fd, uint32_t family, const uint8_t *address, uint32_t interface_index, uint64_t *mac,
    uint16_t *state);
/// Has the kernel resolve a neighbour, or confirm it, as if it had a packet for it.
int cxdp_neighbor_use(
    int fd, uint32_t family, const uint8_t *address, uint32_t interface_index);
