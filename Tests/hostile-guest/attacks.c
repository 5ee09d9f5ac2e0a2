// Each attack leaves in the ring what no driver may, with what the specification or a published
// vulnerability says about it. Section numbers are those of virtio 1.2.
#include "attacks.h"

#include <string.h>

// A frame's first bytes, where an attack wants the data plane to read on.
static void put_frame(struct card *card, uint64_t offset) {
  memset(card->memory + offset, 0, HEADER_BYTES);
  memset(card->memory + offset + HEADER_BYTES, 0xff, 60);
}

static uint16_t direction(struct card *card, struct ring *ring) {
  return ring == &card->rings[RECEIVE] ? WRITE : 0;
}

static void set(struct card *card, struct ring *ring, unsigned index, uint64_t address,
                uint32_t length, uint16_t flags, uint16_t next) {
  ring->descriptors[index % RING_SIZE] =
      (struct descriptor){address, length, flags | direction(card, ring), next};
}

static void offer_one(struct card *card, struct ring *ring, uint64_t address, uint32_t length) {
  set(card, ring, 0, address, length, 0, 0);
  ring_offer(ring, 0);
}

// MARK: Chains that do not end (2.7.5.2; CVE-2016-6490)

static void loop_of_two(struct card *card, struct ring *ring, unsigned turn) {
  put_frame(card, ARENA);
  set(card, ring, 0, guest_address(ARENA), 64, NEXT, 1);
  set(card, ring, 1, guest_address(ARENA), 64, NEXT, 0);
  ring_offer(ring, turn & 1);
}

static void loop_of_one(struct card *card, struct ring *ring, unsigned turn) {
  uint16_t index = turn % RING_SIZE;
  set(card, ring, index, guest_address(ARENA), turn % 3 ? 64 : 0, NEXT, index);
  ring_offer(ring, index);
}

static void next_outside(struct card *card, struct ring *ring, unsigned turn) {
  static const uint16_t nexts[] = {RING_SIZE, 0x8000, 0xffff, RING_SIZE + 1};
  put_frame(card, ARENA);
  set(card, ring, 0, guest_address(ARENA), 72, NEXT, nexts[turn % 4]);
  ring_offer(ring, 0);
}

static void head_outside(struct card *card, struct ring *ring, unsigned turn) {
  static const uint16_t heads[] = {RING_SIZE, 0xffff, 0x7fff};
  ring_offer(ring, heads[turn % 3]);
}

static void zero_lengths(struct card *card, struct ring *ring, unsigned turn) {
  unsigned count = turn % 2 ? RING_SIZE : 1;
  for (unsigned index = 0; index < count; index++) {
    set(card, ring, index, guest_address(ARENA), 0, index + 1 < count ? NEXT : 0, index + 1);
  }
  ring_offer(ring, 0);
}

// MARK: Addresses that lead elsewhere (CVE-2018-1059, CVE-2020-10725)

static void address_outside(struct card *card, struct ring *ring, unsigned turn) {
  static const struct {
    uint64_t address;
    uint32_t length;
  } places[] = {
      {0, 128},
      {MEMORY_BASE - 64, 128},
      {MEMORY_BASE + MEMORY_BYTES - 64, 128},
      {MEMORY_BASE + MEMORY_BYTES, 128},
      {UINT64_MAX - 63, 128},
      {UINT64_C(0xffffffff00000000), 0xffffffff},
      {MEMORY_BASE, 0xffffffff},
      {UINT64_MAX, 0},
  };
  offer_one(card, ring, places[turn % 8].address, places[turn % 8].length);
}

// MARK: Indirect tables (2.7.5.3)

static struct descriptor *table(struct card *card) {
  return (struct descriptor *)(card->memory + TABLES);
}

static void offer_table(struct card *card, struct ring *ring, uint32_t bytes, uint16_t flags) {
  ring->descriptors[0] = (struct descriptor){guest_address(TABLES), bytes, INDIRECT | flags, 1};
  ring_offer(ring, 0);
}

static void indirect_nested(struct card *card, struct ring *ring, unsigned turn) {
  (void)turn;
  // The table's only entry is an indirect descriptor that names the table itself.
  table(card)[0] = (struct descriptor){guest_address(TABLES), 16, INDIRECT, 0};
  offer_table(card, ring, 16, 0);
}

static void indirect_and_next(struct card *card, struct ring *ring, unsigned turn) {
  (void)turn;
  put_frame(card, ARENA);
  table(card)[0] = (struct descriptor){guest_address(ARENA), 72, direction(card, ring), 0};
  set(card, ring, 1, guest_address(ARENA), 72, NEXT, 0);
  offer_table(card, ring, 16, NEXT);
}

static void indirect_size(struct card *card, struct ring *ring, unsigned turn) {
  static const uint32_t sizes[] = {0, 1, 15, 17, 4096 + 8, 16 * 4096, 0xfffffff0, 0xffffffff};
  put_frame(card, ARENA);
  for (unsigned index = 0; index < 256; index++) {
    table(card)[index] = (struct descriptor){
        guest_address(ARENA), 72, NEXT | direction(card, ring), (uint16_t)(index + 1)};
  }
  offer_table(card, ring, sizes[turn % 8], 0);
}

static void indirect_loop(struct card *card, struct ring *ring, unsigned turn) {
  uint16_t flags = NEXT | direction(card, ring);
  table(card)[0] = (struct descriptor){guest_address(ARENA), 72, flags, 1};
  table(card)[1] = (struct descriptor){guest_address(ARENA), 72, flags, turn % 2 ? 0 : 0xffff};
  offer_table(card, ring, 32, 0);
}

static void indirect_outside(struct card *card, struct ring *ring, unsigned turn) {
  static const uint64_t addresses[] = {
      0, MEMORY_BASE + MEMORY_BYTES - 16, MEMORY_BASE + MEMORY_BYTES, UINT64_MAX - 31};
  (void)card;
  ring->descriptors[0] = (struct descriptor){addresses[turn % 4], 64, INDIRECT, 0};
  ring_offer(ring, 0);
}

// MARK: Headers in pieces (5.1.6.2; CVE-2022-2132)

static void header_short(struct card *card, struct ring *ring, unsigned turn) {
  offer_one(card, ring, guest_address(ARENA), turn % HEADER_BYTES);
}

static void header_split(struct card *card, struct ring *ring, unsigned turn) {
  // The header a byte a descriptor; then a frame, or nothing.
  put_frame(card, ARENA);
  bool has_frame = turn % 2;
  for (unsigned index = 0; index < HEADER_BYTES; index++) {
    bool is_last = index == HEADER_BYTES - 1 && !has_frame;
    set(card, ring, index, guest_address(ARENA + index), 1, is_last ? 0 : NEXT, index + 1);
  }
  set(card, ring, HEADER_BYTES, guest_address(ARENA + HEADER_BYTES), 60, 0, 0);
  ring_offer(ring, 0);
}

// MARK: The available index (2.7.6; CVE-2016-5403)

static void index_jump(struct card *card, struct ring *ring, unsigned turn) {
  static const uint16_t jumps[] = {RING_SIZE + 1, 0x7fff, 0x8000, 0xffff};
  (void)card;
  ring->next_available += jumps[turn % 4];
  __atomic_store_n(&ring->available[1], ring->next_available, __ATOMIC_RELEASE);
  ring_kick(ring);
}

static void index_back(struct card *card, struct ring *ring, unsigned turn) {
  put_frame(card, ARENA);
  offer_one(card, ring, guest_address(ARENA), 72);
  if (turn % 2 == 0) return;
  ring->next_available -= 2;
  __atomic_store_n(&ring->available[1], ring->next_available, __ATOMIC_RELEASE);
  ring_kick(ring);
}

// MARK: Sizes

// 1,526 + 255 x 16,843,009 bytes wrap to 1,525 in 32 bits, as one good frame has.
static void chain_over_4_gigabytes(struct card *card, struct ring *ring, unsigned turn) {
  (void)turn;
  put_frame(card, ARENA);
  set(card, ring, 0, guest_address(ARENA), 1526, NEXT, 1);
  for (unsigned index = 1; index < RING_SIZE; index++) {
    set(card, ring, index, guest_address(ARENA), 16843009, index + 1 < RING_SIZE ? NEXT : 0,
        index + 1);
  }
  ring_offer(ring, 0);
}

static void frame_too_long(struct card *card, struct ring *ring, unsigned turn) {
  static const uint32_t lengths[] = {9014, 65535, 65536, 65537 + 14, 1 << 20, 16 << 20};
  put_frame(card, ARENA);
  offer_one(card, ring, guest_address(ARENA), HEADER_BYTES + lengths[turn % 6]);
}

// CVE-2024-41090, CVE-2024-41091: frames shorter than their own Ethernet header.
static void frame_too_short(struct card *card, struct ring *ring, unsigned turn) {
  put_frame(card, ARENA);
  offer_one(card, ring, guest_address(ARENA), HEADER_BYTES + turn % 14);
}

// MARK: Offload (5.1.6.2; CVE-2024-11614)

static void offload_lies(struct card *card, struct ring *ring, unsigned turn) {
  // flags, GSO type, header length, segment size, checksum start, checksum offset.
  static const struct {
    uint8_t flags, type;
    uint16_t header, size, start, offset;
  } lies[] = {
      {1, 0, 0, 0, 0xffff, 0},      {1, 0, 0, 0, 0xfff0, 0xfff0}, {1, 0, 0, 0, 72, 16},
      {1, 1, 54, 0, 34, 16},        {1, 1, 0xffff, 1, 34, 16},    {1, 4, 54, 1, 34, 16},
      {1, 3, 42, 8, 34, 6},         {1, 0x80, 54, 1460, 34, 16},  {0, 1, 54, 1460, 34, 16},
      {1, 0xff, 54, 1460, 34, 16},  {0xff, 5, 1, 65535, 1, 1},
  };
  put_frame(card, ARENA);
  memcpy(card->memory + ARENA, &lies[turn % 11], sizeof lies[0]);
  // ARP, IPv4 and IPv6 by their EtherTypes; the rest of the frame is nonsense.
  static const uint16_t types[] = {0x0608, 0x0008, 0xdd86};
  memcpy(card->memory + ARENA + HEADER_BYTES + 12, &types[turn % 3], 2);
  offer_one(card, ring, guest_address(ARENA), HEADER_BYTES + (turn % 2 ? 60 : 20000));
}

static void kick_storm(struct card *card, struct ring *ring, unsigned turn) {
  (void)card;
  (void)turn;
  for (unsigned count = 0; count < 10000; count++) ring_kick(ring);
}

const struct attack attacks[] = {
    {"loop-of-two", "descriptors that lead to each other", true, loop_of_two},
    {"loop-of-one", "a descriptor that leads to itself", true, loop_of_one},
    {"next-outside", "next descriptor past the ring's end", true, next_outside},
    {"head-outside", "chain's head past the ring's end", true, head_outside},
    {"zero-lengths", "chains of empty buffers", true, zero_lengths},
    {"address-outside", "buffers outside the memory", true, address_outside},
    {"indirect-nested", "an indirect table in an indirect table", true, indirect_nested},
    {"indirect-and-next", "an indirect descriptor that has a next", true, indirect_and_next},
    {"indirect-size", "indirect tables of impossible sizes", true, indirect_size},
    {"indirect-loop", "an indirect table that does not end", true, indirect_loop},
    {"indirect-outside", "indirect tables outside the memory", true, indirect_outside},
    {"header-short", "chains shorter than the virtio header", true, header_short},
    {"header-split", "the virtio header in twelve pieces", true, header_split},
    {"index-jump", "the available index jumps over the ring", true, index_jump},
    {"index-back", "the available index goes back", true, index_back},
    {"chain-over-4-gigabytes", "a chain whose length wraps in 32 bits", false,
     chain_over_4_gigabytes},
    {"frame-too-long", "frames of 9 KB to 16 MB", false, frame_too_long},
    {"frame-too-short", "frames of 0 to 13 bytes", false, frame_too_short},
    {"offload-lies", "checksum and segmentation fields that cannot be", false, offload_lies},
    {"kick-storm", "kicks without anything to send", false, kick_storm},
};
const unsigned attack_count = sizeof attacks / sizeof *attacks;

#define PLACE(offset) (RING_BYTES + (offset))
const struct lie lies[] = {
    {"rings-overlap", "descriptors, available and used ring are one",
     {PLACE(0), PLACE(0), PLACE(0)}},
    {"used-over-descriptors", "the used ring lies on the descriptors",
     {PLACE(0), PLACE(0x1000), PLACE(0)}},
    {"used-outside", "the used ring is outside the memory", {PLACE(0), PLACE(0x1000), MEMORY_BYTES}},
    {"ring-past-end", "the descriptors go past the memory's end",
     {MEMORY_BYTES - 64, PLACE(0x1000), PLACE(0x2000)}},
    {"ring-unaligned", "the rings' addresses are odd", {PLACE(1), PLACE(0x1001), PLACE(0x2001)}},
};
const unsigned lie_count = sizeof lies / sizeof *lies;
