// A virtio network card as its driver sees it: memory shared with the data plane, and in it one
// pair of split rings (virtio 1.2 section 2.7) that the driver may fill with whatever it likes.
#ifndef HOSTILE_GUEST_CARD_H
#define HOSTILE_GUEST_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  RING_SIZE = 256,
  RECEIVE = 0,
  SEND = 1,
  // virtio_net_hdr with num_buffers, as with VIRTIO_F_VERSION_1.
  HEADER_BYTES = 12,
  BUFFER_BYTES = 2048,
};

enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };

struct descriptor {
  uint64_t address;  // guest physical
  uint32_t length;
  uint16_t flags;
  uint16_t next;
};

struct ring {
  struct descriptor *descriptors;
  // flags, index, then RING_SIZE heads.
  volatile uint16_t *available;
  // flags, index, then RING_SIZE pairs of 32-bit head and length.
  volatile uint16_t *used;
  int kick;
  int call;
  uint16_t next_available;
  uint16_t next_used;
};

struct card {
  int socket;
  int memory_file;
  uint8_t *memory;
  uint64_t features;
  struct ring rings[2];
};

// Guest physical addresses of the card's memory: one region.
#define MEMORY_BASE UINT64_C(0x100000)
#define MEMORY_BYTES UINT64_C(0x2000000)
// In it, from its start: the two rings, space for indirect tables, buffers of 2 KB for either
// ring, and 24 MB that attacks may describe as they like.
#define RING_BYTES UINT64_C(0x10000)
#define TABLES (2 * RING_BYTES)
#define BUFFERS UINT64_C(0x100000)
#define ARENA UINT64_C(0x800000)

// Where the parts of a ring stand, from the memory's start; attacks may tell the data plane lies.
struct ring_places {
  uint64_t descriptors, available, used;
};
struct ring_places ring_places(int ring);

// Makes memory and rings. False when the system refuses.
bool card_create(struct card *card);

// Negotiates as QEMU does and hands memory and rings over. `places` may be lies about the send
// ring; NULL tells the truth. False when the data plane ends the session.
bool card_attach(struct card *card, int socket, const struct ring_places *places);

// The guest physical address of an offset in the memory.
static inline uint64_t guest_address(uint64_t offset) { return MEMORY_BASE + offset; }

// The offset of a buffer of a ring.
static inline uint64_t buffer_offset(int ring, unsigned index) {
  return BUFFERS + ((uint64_t)ring * RING_SIZE + index % RING_SIZE) * BUFFER_BYTES;
}

// The steps of `card_attach`, for sessions that take them in another order. `features` and
// `protocol` are asked for in addition; false when the session is over.
bool card_negotiate(struct card *card, int socket, uint64_t features, uint64_t protocol);
bool card_share_memory(struct card *card);
bool card_share_ring(struct card *card, uint32_t index, struct ring_places places);
bool card_tell_size(struct card *card, uint32_t index, uint32_t size);
bool card_tell_address(struct card *card, uint32_t index, struct ring_places places, uint32_t flags);
bool card_tell_event(struct card *card, uint32_t request, uint32_t index, int event);
bool card_tell_word(struct card *card, uint32_t request, uint32_t index, uint32_t word);
// Asks something; its answer says that all before it was taken.
bool card_is_heard(struct card *card);

// Offers a chain by its head and kicks.
void ring_offer(struct ring *ring, uint16_t head);
void ring_kick(struct ring *ring);

// Whether a chain came back; its head and length.
bool ring_take(struct ring *ring, uint32_t *head, uint32_t *length);

// Fills the receive ring with good buffers.
void card_offer_buffers(struct card *card);

// Sends a good frame from a buffer of its own; the ring's descriptors are used in turn.
void card_send(struct card *card, const void *frame, uint32_t bytes);

// Counts received frames of an EtherType and gives their buffers back; other frames pass unseen.
unsigned card_receive(struct card *card, uint16_t ether_type);

#endif
