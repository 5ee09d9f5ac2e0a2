// Packed rings (virtio 1.2 section 2.8) that hold what no driver may put there.
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "sessions.h"
#include "vhost_user.h"

// AVAIL and USED; available in the first round is AVAIL alone.
enum { AVAILABLE = 1 << 7, USED = 1 << 15, PACKED = 34 };

struct packed_descriptor {
  uint64_t address;
  uint32_t length;
  uint16_t id;
  uint16_t flags;
};

// A packed send ring begun: descriptors where a split ring has its own, events after them.
static struct packed_descriptor *attach(struct card *card, const struct session *session) {
  if (!card_negotiate(card, session->socket, UINT64_C(1) << PACKED, 0)) return NULL;
  if (!(card->features >> PACKED & 1)) return NULL;
  if (!card_share_memory(card)) return NULL;
  for (uint32_t ring = 0; ring < 2; ring++) {
    struct ring_places places = ring_places(ring);
    memset(card->memory + places.descriptors, 0, RING_BYTES);
    if (!card_share_ring(card, ring, places)) return NULL;
    // Both wrap counters begin as 1.
    if (!card_tell_word(card, SET_VRING_BASE, ring, 1u << 15 | 1u << 31)) return NULL;
  }
  if (!card_is_heard(card)) return NULL;
  return (struct packed_descriptor *)(card->memory + ring_places(SEND).descriptors);
}

// Fills rounds of the ring with what `fill` makes, and waits a little after each.
static bool play(struct card *card, const struct session *session,
                 void (*fill)(struct packed_descriptor *entry, unsigned number)) {
  struct packed_descriptor *entries = attach(card, session);
  if (!entries) return false;
  for (unsigned round = 0; !session->is_over(session); round++) {
    uint16_t mark = round & 1 ? USED : AVAILABLE;
    for (unsigned i = 0; i < RING_SIZE; i++) {
      struct packed_descriptor entry = {.id = i};
      fill(&entry, round * RING_SIZE + i);
      entries[i].address = entry.address;
      entries[i].length = entry.length;
      entries[i].id = entry.id;
      __atomic_store_n(&entries[i].flags, entry.flags | mark, __ATOMIC_RELEASE);
    }
    ring_kick(&card->rings[SEND]);
    usleep(2000);
  }
  return true;
}

static void fill_short(struct packed_descriptor *entry, unsigned number) {
  entry->address = guest_address(ARENA);
  entry->length = number % (HEADER_BYTES + 1);
  entry->flags = number % 3 ? NEXT : 0;
}

static void fill_empty_outside(struct packed_descriptor *entry, unsigned number) {
  static const uint64_t places[] = {0, UINT64_MAX, MEMORY_BASE + MEMORY_BYTES, MEMORY_BASE - 1};
  entry->address = places[number % 4];
  entry->length = number / RING_SIZE % 2 ? 72 : 0;
}

bool packed_short(struct card *card, const struct session *session) {
  return play(card, session, fill_short);
}

bool packed_empty_outside(struct card *card, const struct session *session) {
  return play(card, session, fill_empty_outside);
}

struct flipper {
  struct packed_descriptor *entries;
  volatile bool stop;
};

static void *flip(void *argument) {
  struct flipper *flipper = argument;
  for (unsigned turn = 0; !flipper->stop; turn++) {
    struct packed_descriptor *entry = &flipper->entries[turn * 7 % RING_SIZE];
    entry->length = turn % 5 ? 72 : 0xffffffff;
    entry->id = turn % 3 ? turn % RING_SIZE : 0xffff;
    uint16_t more = turn % 2 ? NEXT : turn % 11 ? 0 : INDIRECT;
    uint16_t mark = (turn & 2 ? USED : 0) | (turn & 4 ? AVAILABLE : 0);
    __atomic_store_n(&entry->flags, more | mark, __ATOMIC_RELEASE);
  }
  return NULL;
}

bool packed_flips(struct card *card, const struct session *session) {
  struct flipper flipper = {.entries = attach(card, session)};
  if (!flipper.entries) return false;
  for (unsigned i = 0; i < RING_SIZE; i++) flipper.entries[i].address = guest_address(ARENA);
  pthread_t thread;
  if (pthread_create(&thread, NULL, flip, &flipper) != 0) return false;
  while (!session->is_over(session)) {
    ring_kick(&card->rings[SEND]);
    usleep(2000);
  }
  flipper.stop = true;
  pthread_join(thread, NULL);
  return true;
}
