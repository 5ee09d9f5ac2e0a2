#define _GNU_SOURCE
#include "apus_vhost.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <rte_ether.h>
#include <rte_log.h>
#include <rte_pause.h>
#include <rte_vhost.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "apus_guard.h"
#include "mbuf.h"

#define DEVICES 1024 /* RTE_MAX_VHOST_DEVICE: vid is less */
#define CALL_FRAMES 32 /* what rte_vhost takes of a call's frames at most */
#define SET_VRING_NUM 8
#define GET_QUEUE_NUM 17

struct apus_vhost {
  char path[128];
  uint16_t pairs;
  /// The device that runs, and the connection that it came by; -1 for none.
  atomic_int vid, connection;
  atomic_uint_fast64_t rings, features;
  atomic_uint generation;
};

/// The guest that each worker is inside of. Process-wide, as rte_vhost and its callbacks are.
static struct {
  _Alignas(64) _Atomic(apus_vhost *) inside;
} workers[APUS_VHOST_WORKERS];

/// Guests by path and by device; the lock is only taken when guests and connections come and go.
static apus_vhost *guests[DEVICES];
static _Atomic(apus_vhost *) guest_of[DEVICES];
static pthread_mutex_t guests_lock = PTHREAD_MUTEX_INITIALIZER;

// MARK: What rte_vhost calls

static apus_vhost *guest_with(int vid) {
  return vid < 0 || vid >= DEVICES ? NULL : atomic_load(&guest_of[vid]);
}

/// Answers how many queue pairs there are, which rte_vhost 22.11 cannot be told, and refuses rings
/// that are too small, which ends the session.
/// The message is laid out as on the wire (vhost-user protocol, "Message format").
static enum rte_vhost_msg_result answer(int vid, void *message) {
  struct {
    uint32_t request, flags, size;
    union {
      uint64_t number;
      struct {
        uint32_t index, entries;
      } ring;
    };
  } __attribute__((packed)) *words = message;
  apus_vhost *guest = guest_with(vid);
  if (words->request == SET_VRING_NUM && words->ring.entries < APUS_VHOST_RING)
    return RTE_VHOST_MSG_RESULT_ERR;
  if (guest == NULL || words->request != GET_QUEUE_NUM) return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
  words->size = sizeof words->number;
  words->number = guest->pairs;
  return RTE_VHOST_MSG_RESULT_REPLY;
}

static const struct rte_vhost_user_extern_ops messages = {.pre_msg_handle = answer};

static int connection_came(int vid) {
  char path[128];
  if (vid < 0 || vid >= DEVICES || rte_vhost_get_ifname(vid, path, sizeof path) != 0) return -1;
  apus_vhost *guest = NULL;
  pthread_mutex_lock(&guests_lock);
  for (int i = 0; i < DEVICES && guest == NULL; i++)
    if (guests[i] != NULL && strcmp(guests[i]->path, path) == 0) guest = guests[i];
  pthread_mutex_unlock(&guests_lock);
  int none = -1;
  // A socket has one guest: who else connects is sent away.
  if (guest == NULL || !atomic_compare_exchange_strong(&guest->connection, &none, vid)) return -1;
  atomic_store(&guest->rings, 0);
  atomic_store(&guest_of[vid], guest);
  return rte_vhost_extern_callback_register(vid, &messages, NULL);
}

static void connection_went(int vid) {
  apus_vhost *guest = guest_with(vid);
  if (guest == NULL) return;
  atomic_store(&guest_of[vid], NULL);
  atomic_store(&guest->connection, -1);
}

static int device_came(int vid) {
  apus_vhost *guest = guest_with(vid);
  uint64_t features;
  if (guest == NULL || rte_vhost_get_negotiated_features(vid, &features) != 0) return -1;
  atomic_store(&guest->features, features);
  atomic_fetch_add(&guest->generation, 1);
  atomic_store(&guest->vid, vid);
  return 0;
}

/// Returns when no worker is inside of the guest any more; no lock of rte_vhost is held here.
static void device_went(int vid) {
  apus_vhost *guest = guest_with(vid);
  if (guest == NULL) return;
  atomic_store(&guest->vid, -1);
  atomic_store(&guest->features, 0);
  for (int i = 0; i < APUS_VHOST_WORKERS; i++)
    while (atomic_load(&workers[i].inside) == guest) usleep(1);
}

/// Locks of rings are held here: it may publish, but not wait.
static int ring_changed(int vid, uint16_t ring, int is_enabled) {
  apus_vhost *guest = guest_with(vid);
  if (guest == NULL || ring >= 2 * APUS_VHOST_PAIRS) return 0;
  uint64_t bit = 1ULL << ring;
  if (is_enabled) {
    atomic_fetch_add(&guest->generation, 1);
    atomic_fetch_or(&guest->rings, bit);
  } else {
    atomic_fetch_and(&guest->rings, ~bit);
  }
  return 0;
}

static const struct rte_vhost_device_ops operations = {
    .new_connection = connection_came,
    .destroy_connection = connection_went,
    .new_device = device_came,
    .destroy_device = device_went,
    .vring_state_changed = ring_changed,
};

// MARK: Opening and closing

static int add(apus_vhost *guest) {
  int result = -ENOSPC;
  pthread_mutex_lock(&guests_lock);
  for (int i = 0; i < DEVICES && result != 0; i++)
    if (guests[i] == NULL) {
      guests[i] = guest;
      result = 0;
    }
  pthread_mutex_unlock(&guests_lock);
  return result;
}

static void discard(apus_vhost *guest) {
  pthread_mutex_lock(&guests_lock);
  for (int i = 0; i < DEVICES; i++)
    if (guests[i] == guest) guests[i] = NULL;
  pthread_mutex_unlock(&guests_lock);
  free(guest);
}

apus_vhost *apus_vhost_open(const apus_vhost_setup *setup, int *error) {
  const uint64_t hidden = 1ULL << VIRTIO_NET_F_GUEST_UFO | 1ULL << VIRTIO_NET_F_HOST_UFO |
                          1ULL << VIRTIO_NET_F_GUEST_ECN | 1ULL << VIRTIO_NET_F_HOST_ECN |
                          1ULL << VIRTIO_NET_F_GSO | setup->hidden_features;
  // What guests make it say is the guests' business: it would fill the host's log.
  rte_log_set_level_pattern("lib.vhost.data", RTE_LOG_EMERG);
  apus_guard_memory();
  *error = -ENAMETOOLONG;
  apus_vhost *guest = calloc(1, sizeof *guest);
  if (guest == NULL || strlen(setup->path) >= 108) {
    free(guest);
    return NULL;
  }
  strcpy(guest->path, setup->path);
  guest->pairs = setup->pairs;
  // Workers tell devices by this, also those of another guest at the same place.
  static atomic_uint opened;
  atomic_store(&guest->generation, atomic_fetch_add(&opened, 1) << 16);
  atomic_store(&guest->vid, -1);
  atomic_store(&guest->connection, -1);
  uint64_t flags = RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS;
  if (setup->is_client) flags |= RTE_VHOST_USER_CLIENT;
  *error = add(guest);
  if (*error == 0 && rte_vhost_driver_register(guest->path, flags) != 0) *error = -EADDRINUSE;
  if (*error != 0) {
    discard(guest);
    return NULL;
  }
  errno = 0;
  if (rte_vhost_driver_disable_features(guest->path, hidden) != 0 ||
      rte_vhost_driver_callback_register(guest->path, &operations) != 0 ||
      rte_vhost_driver_start(guest->path) != 0) {
    *error = errno != 0 ? -errno : -EIO;
    rte_vhost_driver_unregister(guest->path);
    discard(guest);
    return NULL;
  }
  return guest;
}

static bool is_named(int (*name_of)(int, struct sockaddr *, socklen_t *), int fd,
                     const char *path) {
  struct sockaddr_un name = {0};
  socklen_t size = sizeof name - 1;
  return name_of(fd, (struct sockaddr *)&name, &size) == 0 && name.sun_family == AF_UNIX &&
         strcmp(name.sun_path, path) == 0;
}

/// A duplicate of the guest's connection, which rte_vhost does not tell; -1 when there is none.
static int connection_of(const apus_vhost *guest) {
  DIR *folder = opendir("/proc/self/fd");
  if (folder == NULL) return -1;
  int found = -1;
  for (struct dirent *entry; found < 0 && (entry = readdir(folder)) != NULL;) {
    int fd = atoi(entry->d_name), listens = 0;
    socklen_t size = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens) continue;
    if (is_named(getpeername, fd, guest->path) || is_named(getsockname, fd, guest->path))
      found = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  }
  closedir(folder);
  return found;
}

void apus_vhost_close(apus_vhost *guest) {
  int connection = connection_of(guest);
  rte_vhost_driver_unregister(guest->path);
  // rte_vhost closed it while its thread polls it, for up to a second: until that returns, the other
  // side would hear nothing.
  if (connection >= 0) {
    shutdown(connection, SHUT_RDWR);
    close(connection);
  }
  discard(guest);
}

// MARK: What workers call

bool apus_vhost_is_up(const apus_vhost *guest) {
  return atomic_load_explicit(&guest->vid, memory_order_relaxed) >= 0;
}

uint64_t apus_vhost_features(const apus_vhost *guest) {
  return atomic_load_explicit(&guest->features, memory_order_relaxed);
}

uint64_t apus_vhost_rings(const apus_vhost *guest) {
  return atomic_load_explicit(&guest->rings, memory_order_relaxed);
}

uint32_t apus_vhost_generation(const apus_vhost *guest) {
  return atomic_load_explicit(&guest->generation, memory_order_relaxed);
}

/// Marks the worker as inside of the guest, if it runs; the mark is visible before the device is
/// read again, and `device_went` withdraws the device before it reads the marks.
static int enter(apus_vhost *guest, uint32_t worker) {
  if (!apus_vhost_is_up(guest)) return -1;
  atomic_store(&workers[worker].inside, guest);
  int vid = atomic_load(&guest->vid);
  if (vid < 0) atomic_store_explicit(&workers[worker].inside, NULL, memory_order_release);
  return vid;
}

static void leave(uint32_t worker) {
  atomic_store_explicit(&workers[worker].inside, NULL, memory_order_release);
}

/// Translates what the guest's header asked for; false for a frame beyond the limits.
///
/// rte_vhost parsed the frame itself: where the guest said that the checksum begins is not used
/// (CVE-2024-11614). A kind of segmentation that was never offered shows as a length beyond that of
/// one packet, or as one of UDP.
static bool accept_frame(const struct rte_mbuf *mbuf, const apus_vhost_limits *limits,
                         apus_packet *packet) {
  uint32_t most = limits->bytes;
  if (unlikely(mbuf->ol_flags & (RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_LRO))) {
    uint32_t transport = mbuf->packet_type & RTE_PTYPE_L4_MASK;
    bool is_tcp = transport == RTE_PTYPE_L4_TCP;
    if (mbuf->ol_flags & RTE_MBUF_F_RX_LRO) {
      if (!is_tcp || mbuf->tso_segsz < limits->segment_size) return false;
      packet->segment_size = mbuf->tso_segsz;
      if (mbuf->tso_segsz != 0) most = limits->segmented_bytes;
    }
    if ((mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE &&
        (is_tcp || transport == RTE_PTYPE_L4_UDP))
      packet->flags = APUS_PACKET_PARTIAL_CHECKSUM;
  }
  packet_of(mbuf, packet);
  return mbuf->data_len >= RTE_ETHER_HDR_LEN && mbuf->pkt_len <= most &&
         mbuf->nb_segs <= limits->buffers && mbuf_is_plain(mbuf);
}

uint32_t apus_vhost_receive(apus_vhost *guest, uint32_t worker, uint32_t pair, apus_pool *pool,
                            const apus_vhost_limits *limits, apus_packet *packets, uint32_t count,
                            uint32_t *drops) {
  struct rte_mbuf *mbufs[APUS_BURST];
  int vid = enter(guest, worker);
  if (vid < 0) return 0;
  uint32_t received =
      rte_vhost_dequeue_burst(vid, 2 * pair + 1, pool, mbufs, RTE_MIN(count, APUS_BURST));
  leave(worker);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < received; i++) {
    if (likely(accept_frame(mbufs[i], limits, &packets[kept]))) {
      kept++;
    } else {
      packets[kept].flags = 0;
      packets[kept].segment_size = 0;
      rte_pktmbuf_free(mbufs[i]);
      (*drops)++;
    }
  }
  return kept;
}

/// Puts the Ethernet header of a frame into a buffer of its own, before the rest.
///
/// rte_vhost prepares checksums with `rte_net_intel_cksum_prepare`, which for a frame to be
/// segmented leaves the length out of the pseudo-header's sum, as NICs want it. Guests want it in
/// (virtio 1.2, section 5.1.6.2), and it is in already. Headers in two buffers are left alone by
/// that function.
static struct rte_mbuf *split_header(struct rte_mbuf *mbuf, apus_pool *pool) {
  struct rte_mbuf *header = rte_pktmbuf_alloc(pool);
  if (header == NULL) return NULL;
  memcpy(rte_pktmbuf_mtod(header, void *), rte_pktmbuf_mtod(mbuf, void *), RTE_ETHER_HDR_LEN);
  header->data_len = RTE_ETHER_HDR_LEN;
  header->pkt_len = mbuf->pkt_len;
  header->nb_segs = mbuf->nb_segs + 1;
  header->next = mbuf;
  header->ol_flags = mbuf->ol_flags & ~RTE_MBUF_F_TX_IP_CKSUM;
  header->tx_offload = mbuf->tx_offload;
  mbuf->data_off += RTE_ETHER_HDR_LEN;
  mbuf->data_len -= RTE_ETHER_HDR_LEN;
  return header;
}

/// Splits the headers of frames that the guest is to take unsegmented. Those for which there is no
/// buffer are freed.
static uint32_t make_ready(apus_pool *pool, struct rte_mbuf **mbufs, uint32_t count,
                           uint64_t *unsent) {
  uint32_t ready = 0;
  for (uint32_t i = 0; i < count; i++) {
    struct rte_mbuf *mbuf = mbufs[i], *whole = mbuf;
    if (mbuf->ol_flags & RTE_MBUF_F_TX_TCP_SEG) whole = split_header(mbuf, pool);
    if (whole != NULL) {
      mbufs[ready++] = whole;
    } else {
      *unsent += mbuf->pkt_len;
      rte_pktmbuf_free(mbuf);
    }
  }
  return ready;
}

/// How many frames a call of rte_vhost is given: one, when a frame may take several entries of the
/// ring.
///
/// rte_vhost notes the entries that all frames of a call took in memory for as many entries as the
/// ring has, but takes as many as the guest's index promises, which may change at any time (22.11).
/// One frame takes fewer than the ring has; without merged buffers each takes one.
static uint32_t frames_at_once(const apus_vhost *guest) {
  return apus_vhost_features(guest) & 1ULL << VIRTIO_NET_F_MRG_RXBUF ? 1 : CALL_FRAMES;
}

int apus_vhost_send(apus_vhost *guest, uint32_t worker, uint32_t pair, apus_pool *pool,
                    apus_mbuf **frames, uint32_t count, bool is_plain, uint64_t *unsent) {
  struct rte_mbuf **mbufs = (struct rte_mbuf **)frames;
  if (!is_plain) count = make_ready(pool, mbufs, count, unsent);
  int vid = enter(guest, worker);
  int sent = -1;
  if (vid >= 0) {
    uint32_t most = frames_at_once(guest), taken = most;
    for (sent = 0; (uint32_t)sent < count && taken == most; sent += taken)
      taken = rte_vhost_enqueue_burst(vid, 2 * pair, mbufs + sent, RTE_MIN(most, count - sent));
    leave(worker);
  }
  for (uint32_t i = sent < 0 ? 0 : (uint32_t)sent; i < count; i++) *unsent += mbufs[i]->pkt_len;
  if (count > 0) rte_pktmbuf_free_bulk(mbufs, count);
  return sent;
}

uint32_t apus_vhost_pending(apus_vhost *guest, uint32_t worker, uint32_t pair, uint32_t *head) {
  uint16_t available = 0, used = 0;
  uint32_t pending = 0;
  if (apus_vhost_features(guest) & 1ULL << APUS_VIRTIO_PACKED) return 0;
  int vid = enter(guest, worker);
  if (vid < 0) return 0;
  if (rte_vhost_get_vring_base(vid, 2 * pair + 1, &available, &used) == 0)
    pending = rte_vhost_rx_queue_count(vid, 2 * pair + 1);
  leave(worker);
  *head = available;
  return pending;
}

void apus_vhost_silence(apus_vhost *guest, uint32_t worker, uint32_t ring) {
  int vid = enter(guest, worker);
  if (vid < 0) return;
  rte_vhost_enable_guest_notification(vid, ring, 0);
  leave(worker);
}
