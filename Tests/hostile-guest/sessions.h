// What a hostile front-end does with a whole session, rather than with a descriptor.
#ifndef HOSTILE_GUEST_SESSIONS_H
#define HOSTILE_GUEST_SESSIONS_H

#include "card.h"

// What a session is given: a frame that the data plane answers, and when to end.
struct session {
  int socket;
  unsigned variant;
  unsigned count;
  uint8_t frame[60];
  bool (*is_over)(const struct session *session);
  double end;
};

struct session_attack {
  const char *name;
  const char *summary;
  // Plays it; false when the data plane ended the session, which it may.
  bool (*play)(struct card *card, const struct session *session);
};

extern const struct session_attack session_attacks[];
extern const unsigned session_attack_count;

// Those on packed rings (packed.c).
bool packed_short(struct card *card, const struct session *session);
bool packed_empty_outside(struct card *card, const struct session *session);
bool packed_flips(struct card *card, const struct session *session);

#endif
