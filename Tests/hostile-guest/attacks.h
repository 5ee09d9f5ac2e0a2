// What a hostile driver does to the rings of its card.
#ifndef HOSTILE_GUEST_ATTACKS_H
#define HOSTILE_GUEST_ATTACKS_H

#include "card.h"

struct attack {
  const char *name;
  const char *summary;
  // Whether a receive ring can be attacked so as well.
  bool both_rings;
  // Does it once; `turn` counts from 0, so that it may vary.
  void (*strike)(struct card *card, struct ring *ring, unsigned turn);
};

extern const struct attack attacks[];
extern const unsigned attack_count;

// Lies about where the send ring is, told when the session is set up.
struct lie {
  const char *name;
  const char *summary;
  struct ring_places places;
};

extern const struct lie lies[];
extern const unsigned lie_count;

#endif
