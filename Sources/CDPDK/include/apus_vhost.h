// Guests behind rte_vhost.
//
// rte_vhost runs one control thread, which calls back when a guest's device appears, changes and
// goes. The state is published in atomics; a worker marks in a word of its own which guest it is
// inside of, and the control thread waits for that word before a device goes.
#pragma once
#include "apus_frame.h"

typedef struct apus_vhost apus_vhost;

/// The most queue pairs of a guest, and the most workers.
#define APUS_VHOST_PAIRS 32
#define APUS_VHOST_WORKERS 64
/// The least entries of a ring: rte_vhost notes what it took of a ring in one call in memory for as
/// many entries as the ring has, however many the guest's index says that there are. No call takes
/// more than a burst.
#define APUS_VHOST_RING APUS_BURST

/// Why `apus_vhost_receive` drops: too long, in too many buffers, or shorter than an Ethernet
/// header.
typedef struct {
  /// Bytes of a frame that is one packet, and of one that is to be segmented.
  uint32_t bytes, segmented_bytes;
  uint32_t buffers;
  /// The least TCP payload of a segment.
  uint16_t segment_size;
} apus_vhost_limits;

/// Feature bits of virtio (1.2, sections 5.1.3 and 6).
#define APUS_VIRTIO_CSUM 0
#define APUS_VIRTIO_GUEST_CSUM 1
#define APUS_VIRTIO_MTU 3
#define APUS_VIRTIO_GUEST_TSO4 7
#define APUS_VIRTIO_GUEST_TSO6 8
#define APUS_VIRTIO_HOST_TSO4 11
#define APUS_VIRTIO_HOST_TSO6 12
#define APUS_VIRTIO_PACKED 34

typedef struct {
  const char *path;
  /// Connect to `path`, again and again; else listen there.
  bool is_client;
  /// Feature bits not to offer, besides those that are never offered (UFO, ECN).
  uint64_t hidden_features;
  /// Queue pairs that the front-end may use, told to it (VHOST_USER_GET_QUEUE_NUM).
  uint16_t pairs;
} apus_vhost_setup;

/// Opens a guest's socket; NULL with a negative errno in `error` when that fails.
apus_vhost *apus_vhost_open(const apus_vhost_setup *setup, int *error);

/// Closes the socket and waits for the control thread to leave.
void apus_vhost_close(apus_vhost *guest);

/// Whether a guest's driver runs.
bool apus_vhost_is_up(const apus_vhost *guest);

/// Negotiated feature bits; 0 when down.
uint64_t apus_vhost_features(const apus_vhost *guest);

/// One bit for each ring that the guest enabled: ring 2q takes frames to the guest, 2q + 1 from it.
uint64_t apus_vhost_rings(const apus_vhost *guest);

/// Counts the devices that have come and gone; another number means that rings start anew.
uint32_t apus_vhost_generation(const apus_vhost *guest);

/// Takes frames that the guest sent in a queue pair, at most `APUS_BURST`.
/// `drops` is raised by those beyond the limits, which are freed.
uint32_t apus_vhost_receive(apus_vhost *guest, uint32_t worker, uint32_t pair, apus_pool *pool,
                            const apus_vhost_limits *limits, apus_packet *packets, uint32_t count,
                            uint32_t *drops);

/// Copies frames, at most `APUS_BURST`, into the guest's buffers of a queue pair; frees all of them.
///
/// `pool` gives a buffer for each frame that the guest is to take unsegmented. `is_plain`: no frame
/// asks for an offload. The bytes of frames that the guest did not get are added to `unsent`.
/// Returns how many the guest got, or -1 when it is down.
int apus_vhost_send(apus_vhost *guest, uint32_t worker, uint32_t pair, apus_pool *pool,
                    apus_mbuf **mbufs, uint32_t count, bool is_plain, uint64_t *unsent);

/// What the guest offered in its send ring of a pair and was not taken yet.
/// `head` is set to the position of the oldest one. 0 for a packed ring, whose state rte_vhost does
/// not tell.
uint32_t apus_vhost_pending(apus_vhost *guest, uint32_t worker, uint32_t pair, uint32_t *head);

/// Tells the guest not to notify about a ring; it is polled.
void apus_vhost_silence(apus_vhost *guest, uint32_t worker, uint32_t ring);
