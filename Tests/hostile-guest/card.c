#define _GNU_SOURCE
#include "card.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vhost_user.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))
// CSUM, GUEST_CSUM, GUEST_TSO4, GUEST_TSO6, HOST_TSO4, HOST_TSO6, MRG_RXBUF, INDIRECT_DESC,
// PROTOCOL_FEATURES, VERSION_1: what Linux takes, so that attacks reach that code.
static const uint64_t wanted = FEATURE(0) | FEATURE(1) | FEATURE(7) | FEATURE(8) | FEATURE(11) |
                               FEATURE(12) | FEATURE(15) | FEATURE(28) | FEATURE(30) | FEATURE(32);
// MQ: everybody offers it, and the protocol needs no more.
static const uint64_t wanted_protocol = FEATURE(0);

struct ring_places ring_places(int ring) {
  uint64_t start = ring * RING_BYTES;
  return (struct ring_places){start, start + 0x1000, start + 0x2000};
}

bool card_create(struct card *card) {
  memset(card, 0, sizeof *card);
  card->memory_file = memfd_create("hostile-guest", MFD_CLOEXEC);
  if (card->memory_file < 0 || ftruncate(card->memory_file, MEMORY_BYTES) != 0) return false;
  card->memory =
      mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, card->memory_file, 0);
  if (card->memory == MAP_FAILED) return false;
  for (int index = 0; index < 2; index++) {
    struct ring_places places = ring_places(index);
    struct ring *ring = &card->rings[index];
    ring->descriptors = (struct descriptor *)(card->memory + places.descriptors);
    ring->available = (volatile uint16_t *)(card->memory + places.available);
    ring->used = (volatile uint16_t *)(card->memory + places.used);
    ring->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ring->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (ring->kick < 0 || ring->call < 0) return false;
  }
  return true;
}

bool card_share_memory(struct card *card) {
  struct {
    uint32_t count, padding;
    uint64_t guest, bytes, user, offset;
  } table = {1, 0, MEMORY_BASE, MEMORY_BYTES, (uintptr_t)card->memory, 0};
  return vhost_user_send(card->socket, SET_MEM_TABLE, &table, sizeof table, card->memory_file);
}

bool card_tell_word(struct card *card, uint32_t request, uint32_t index, uint32_t word) {
  uint32_t words[] = {index, word};
  return vhost_user_send(card->socket, request, words, sizeof words, -1);
}

bool card_tell_size(struct card *card, uint32_t index, uint32_t size) {
  return card_tell_word(card, SET_VRING_NUM, index, size);
}

bool card_tell_address(struct card *card, uint32_t index, struct ring_places places,
                       uint32_t flags) {
  // Addresses of this process, as the protocol has it without an IOMMU.
  uint64_t start = (uintptr_t)card->memory;
  struct {
    uint32_t index, flags;
    uint64_t descriptors, used, available, log;
  } address = {index, flags, start + places.descriptors, start + places.used,
               start + places.available, MEMORY_BASE + places.used};
  return vhost_user_send(card->socket, SET_VRING_ADDR, &address, sizeof address, -1);
}

bool card_tell_event(struct card *card, uint32_t request, uint32_t index, int event) {
  uint64_t number = index;
  return vhost_user_send(card->socket, request, &number, sizeof number, event);
}

bool card_share_ring(struct card *card, uint32_t index, struct ring_places places) {
  struct ring *ring = &card->rings[index];
  return card_tell_size(card, index, RING_SIZE) &&
         card_tell_word(card, SET_VRING_BASE, index, 0) &&
         card_tell_address(card, index, places, 0) &&
         card_tell_event(card, SET_VRING_CALL, index, ring->call) &&
         card_tell_event(card, SET_VRING_KICK, index, ring->kick) &&
         card_tell_word(card, SET_VRING_ENABLE, index, 1);
}

bool card_is_heard(struct card *card) {
  uint64_t answer;
  return vhost_user_ask(card->socket, GET_FEATURES, &answer);
}

bool card_negotiate(struct card *card, int socket, uint64_t features, uint64_t protocol) {
  uint64_t offered, offered_protocol;
  card->socket = socket;
  if (!vhost_user_ask(socket, GET_FEATURES, &offered) ||
      !vhost_user_ask(socket, GET_PROTOCOL_FEATURES, &offered_protocol))
    return false;
  uint64_t taken = offered_protocol & (wanted_protocol | protocol);
  card->features = offered & (wanted | features);
  return vhost_user_send(socket, SET_PROTOCOL_FEATURES, &taken, sizeof taken, -1) &&
         vhost_user_send(socket, SET_OWNER, NULL, 0, -1) &&
         vhost_user_send(socket, SET_FEATURES, &card->features, sizeof card->features, -1);
}

bool card_attach(struct card *card, int socket, const struct ring_places *places) {
  // The lie is about the send ring, which the data plane reads without being asked.
  struct ring_places send = places ? *places : ring_places(SEND);
  return card_negotiate(card, socket, 0, 0) && card_share_memory(card) &&
         card_share_ring(card, RECEIVE, ring_places(RECEIVE)) &&
         card_share_ring(card, SEND, send) && card_is_heard(card);
}

void ring_kick(struct ring *ring) {
  uint64_t one = 1;
  // A full counter is kick enough.
  if (write(ring->kick, &one, sizeof one) < 0) return;
}

void ring_offer(struct ring *ring, uint16_t head) {
  ring->available[2 + ring->next_available % RING_SIZE] = head;
  ring->next_available++;
  __atomic_store_n(&ring->available[1], ring->next_available, __ATOMIC_RELEASE);
  ring_kick(ring);
}

bool ring_take(struct ring *ring, uint32_t *head, uint32_t *length) {
  if (__atomic_load_n(&ring->used[1], __ATOMIC_ACQUIRE) == ring->next_used) return false;
  volatile uint32_t *entry = (volatile uint32_t *)(ring->used + 2) + 2 * (ring->next_used % RING_SIZE);
  *head = entry[0];
  *length = entry[1];
  ring->next_used++;
  return true;
}

void card_offer_buffers(struct card *card) {
  struct ring *ring = &card->rings[RECEIVE];
  for (unsigned index = 0; index < RING_SIZE; index++) {
    ring->descriptors[index] = (struct descriptor){
        guest_address(buffer_offset(RECEIVE, index)), BUFFER_BYTES, WRITE, 0};
    ring_offer(ring, index);
  }
}

void card_send(struct card *card, const void *frame, uint32_t bytes) {
  struct ring *ring = &card->rings[SEND];
  unsigned index = ring->next_available % RING_SIZE;
  uint8_t *buffer = card->memory + buffer_offset(SEND, index);
  memset(buffer, 0, HEADER_BYTES);
  memcpy(buffer + HEADER_BYTES, frame, bytes);
  ring->descriptors[index] =
      (struct descriptor){guest_address(buffer_offset(SEND, index)), HEADER_BYTES + bytes, 0, 0};
  ring_offer(ring, index);
}

unsigned card_receive(struct card *card, uint16_t ether_type) {
  struct ring *ring = &card->rings[RECEIVE];
  unsigned count = 0;
  uint32_t head, length;
  while (count < RING_SIZE && ring_take(ring, &head, &length)) {
    if (head >= RING_SIZE) continue;
    const uint8_t *frame = card->memory + buffer_offset(RECEIVE, head) + HEADER_BYTES;
    if (length >= HEADER_BYTES + 14 && (frame[12] << 8 | frame[13]) == ether_type) count++;
    ring_offer(ring, head);
  }
  return count;
}
