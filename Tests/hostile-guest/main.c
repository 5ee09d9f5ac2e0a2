// A guest's vhost-user front-end that misbehaves: on the socket, and on the rings of its card.
//
//   hostile-guest [OPTION...] MODE
//
// `hostile-guest --help` lists modes and options. It is the hypervisor's half: it waits on the
// socket for the data plane. Every mode ends within its --seconds. Exit status: 0 done as told,
// whatever the data plane did about it; 1 the data plane did not serve a good guest; 2 wrong usage;
// 5 nobody connected.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "attacks.h"
#include "sessions.h"
#include "vhost_user.h"

enum { ARP = 0x0806, STATUS_UNSERVED = 1, STATUS_USAGE = 2, STATUS_NOBODY = 5 };

struct options {
  const char *socket;
  bool connects;
  unsigned seconds;
  unsigned count;
  // The variant that strikes begin with: a broken ring hears of no second.
  unsigned variant;
  int ring;
  uint8_t mac[6];
  struct in_addr address, router;
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

// An ARP request of the guest for its router: every data plane may see it, some answer it, and one
// that sends all back returns it.
static void compose_request(const struct options *options, uint8_t frame[60]) {
  static const uint8_t kind[] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 1};
  memset(frame, 0, 60);
  memset(frame, 0xff, 6);
  memcpy(frame + 6, options->mac, 6);
  memcpy(frame + 12, kind, sizeof kind);
  memcpy(frame + 22, options->mac, 6);
  memcpy(frame + 28, &options->address, 4);
  memcpy(frame + 38, &options->router, 4);
}

// Sends good requests, and counts what comes back until `count` are there or time is over. What a
// data plane that has only just begun loses is sent again, after a while.
static unsigned converse(struct card *card, const struct options *options, unsigned count,
                         double end) {
  uint8_t frame[60];
  unsigned sent = 0, received = 0;
  double last = now();
  compose_request(options, frame);
  while (received < count && now() < end && !vhost_user_is_closed(card->socket)) {
    if (sent < count || (sent < 4 * count && now() > last + 0.2)) {
      card_send(card, frame, sizeof frame);
      sent++;
      last = now();
    }
    usleep(2000);
    received += card_receive(card, ARP);
  }
  return received;
}

static int behave_well(struct card *card, const struct options *options, double end) {
  double start = now();
  unsigned received = converse(card, options, options->count, end);
  printf("well-behaved: %u of %u requests answered in %.3f s\n", received, options->count,
         now() - start);
  return received >= options->count ? 0 : STATUS_UNSERVED;
}

// Strikes `count` times, or until the data plane closes the session or time is over.
static int strike(struct card *card, const struct attack *attack, const struct options *options,
                  double end) {
  struct ring *ring = &card->rings[options->ring];
  uint8_t frame[60];
  uint32_t head, length;
  compose_request(options, frame);
  unsigned answered = options->ring == SEND ? converse(card, options, 4, now() + 2) : 0;
  unsigned turn = 0, taken = 0;
  for (; turn < options->count && now() < end && !vhost_user_is_closed(card->socket); turn++) {
    attack->strike(card, ring, options->variant + turn);
    // What comes for the guest goes into the receive ring that was attacked.
    if (options->ring == RECEIVE) card_send(card, frame, sizeof frame);
    usleep(2000);
    while (taken < options->count && ring_take(ring, &head, &length)) taken++;
  }
  // The rings stay as they are, to be polled, for a while.
  double stay = now() + 0.5 < end ? now() + 0.5 : end;
  while (now() < stay) usleep(10000);
  printf("%s: %u times, %u came back, %u good ones answered before, session %s\n", attack->name,
         turn, taken, answered, vhost_user_is_closed(card->socket) ? "closed" : "open");
  return 0;
}

// Sends a message's bytes up to `bytes`, with a pause after each, and waits for the end.
static int dribble(int socket, const char *name, unsigned bytes, double pause, double end) {
  struct {
    struct vhost_user_header header;
    uint64_t payload;
  } message = {{SET_FEATURES, 1, sizeof(uint64_t)}, 0};
  unsigned sent = 0;
  double start = now(), next = start;
  while (now() < end && !vhost_user_is_closed(socket)) {
    if (sent < bytes && now() >= next) {
      if (send(socket, (char *)&message + sent, 1, MSG_NOSIGNAL) != 1) break;
      sent++;
      next += pause;
    }
    usleep(1000);
  }
  printf("%s: %u bytes, session %s after %.1f s\n", name, sent,
         vhost_user_is_closed(socket) ? "closed" : "open", now() - start);
  return 0;
}

static bool session_is_over(const struct session *session) {
  return now() >= session->end || vhost_user_is_closed(session->socket);
}

static int play(struct card *card, int socket, const struct session_attack *attack,
                const struct options *options, double end) {
  struct session session = {.socket = socket,
                            .variant = options->variant,
                            .count = options->count,
                            .is_over = session_is_over,
                            .end = end};
  compose_request(options, session.frame);
  bool is_kept = attack->play(card, &session);
  printf("%s: session %s\n", attack->name, is_kept ? "kept" : "ended");
  return 0;
}

static void list_modes(FILE *out) {
  fputs("usage: hostile-guest --socket PATH [OPTION...] MODE\n"
        "  --connect        connect to PATH; else wait on it for the data plane\n"
        "  --seconds N      end after these (default 10)\n"
        "  --count N        frames or strikes (default 64)\n"
        "  --variant N      begin with the Nth variant of the attack (default 0)\n"
        "  --ring rx|tx     the ring to strike (default tx, which the data plane reads)\n"
        "  --mac, --address, --router    the guest's, for good frames\n"
        "modes:\n"
        "  well-behaved             good ARP requests; all have to be answered\n"
        "  half-message             the header of a message, and then nothing\n"
        "  byte-a-second            a message, one byte a second\n",
        out);
  for (unsigned index = 0; index < attack_count; index++)
    fprintf(out, "  %-24s %s%s\n", attacks[index].name, attacks[index].summary,
            attacks[index].both_rings ? " (rx too)" : "");
  for (unsigned index = 0; index < lie_count; index++)
    fprintf(out, "  %-24s %s\n", lies[index].name, lies[index].summary);
  for (unsigned index = 0; index < session_attack_count; index++)
    fprintf(out, "  %-24s %s\n", session_attacks[index].name, session_attacks[index].summary);
}

static bool read_options(int count, char **words, struct options *options) {
  static const struct option names[] = {
      {"socket", 1, 0, 's'}, {"connect", 0, 0, 'c'}, {"seconds", 1, 0, 't'}, {"count", 1, 0, 'n'},
      {"variant", 1, 0, 'v'},
      {"ring", 1, 0, 'r'},   {"mac", 1, 0, 'm'},     {"address", 1, 0, 'a'}, {"router", 1, 0, 'g'},
      {"help", 0, 0, 'h'},   {0}};
  for (int option; (option = getopt_long(count, words, "", names, NULL)) != -1;) {
    switch (option) {
      case 's': options->socket = optarg; break;
      case 'c': options->connects = true; break;
      case 't': options->seconds = strtoul(optarg, NULL, 10); break;
      case 'n': options->count = strtoul(optarg, NULL, 10); break;
      case 'v': options->variant = strtoul(optarg, NULL, 10); break;
      case 'r': options->ring = strcmp(optarg, "rx") == 0 ? RECEIVE : SEND; break;
      case 'm': {
        uint8_t *m = options->mac;
        if (sscanf(optarg, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", m, m + 1, m + 2, m + 3, m + 4,
                   m + 5) != 6)
          return false;
        break;
      }
      case 'a':
        if (inet_pton(AF_INET, optarg, &options->address) != 1) return false;
        break;
      case 'g':
        if (inet_pton(AF_INET, optarg, &options->router) != 1) return false;
        break;
      case 'h': list_modes(stdout); exit(0);
      default: return false;
    }
  }
  return options->socket && optind == count - 1;
}

int main(int count, char **words) {
  struct options options = {
      .seconds = 10, .count = 64, .ring = SEND, .mac = {2, 0, 0, 0, 0, 10}};
  inet_pton(AF_INET, "10.0.1.10", &options.address);
  inet_pton(AF_INET, "10.0.1.1", &options.router);
  if (!read_options(count, words, &options)) {
    list_modes(stderr);
    return STATUS_USAGE;
  }
  const char *mode = words[optind];
  const struct attack *attack = NULL;
  const struct lie *lie = NULL;
  for (unsigned index = 0; index < attack_count; index++)
    if (strcmp(mode, attacks[index].name) == 0) attack = &attacks[index];
  for (unsigned index = 0; index < lie_count; index++)
    if (strcmp(mode, lies[index].name) == 0) lie = &lies[index];
  const struct session_attack *session = NULL;
  for (unsigned index = 0; index < session_attack_count; index++)
    if (strcmp(mode, session_attacks[index].name) == 0) session = &session_attacks[index];
  bool is_good = strcmp(mode, "well-behaved") == 0;
  bool is_half = strcmp(mode, "half-message") == 0, is_slow = strcmp(mode, "byte-a-second") == 0;
  if (!attack && !lie && !session && !is_good && !is_half && !is_slow) {
    list_modes(stderr);
    return STATUS_USAGE;
  }

  int socket = vhost_user_open(options.socket, options.connects, 20000);
  if (socket < 0) {
    fprintf(stderr, "hostile-guest: %s: nobody connected\n", options.socket);
    return STATUS_NOBODY;
  }
  double end = now() + options.seconds;
  unsigned header = sizeof(struct vhost_user_header);
  if (is_half) return dribble(socket, mode, header, 0, end);
  if (is_slow) return dribble(socket, mode, header + sizeof(uint64_t), 1, end);

  struct card card;
  if (!card_create(&card)) {
    perror("hostile-guest: memory");
    return STATUS_NOBODY;
  }
  if (session) return play(&card, socket, session, &options, end);
  bool is_served = card_attach(&card, socket, lie ? &lie->places : NULL);
  if (lie) {
    for (unsigned turn = 0; is_served && turn < options.count && now() < end; turn++) {
      ring_offer(&card.rings[SEND], turn % RING_SIZE);
      usleep(2000);
    }
    printf("%s: session %s\n", mode, is_served ? "open" : "refused");
    return 0;
  }
  if (!is_served) {
    printf("%s: the data plane ended the session at its start\n", mode);
    return STATUS_UNSERVED;
  }
  if (options.ring == SEND || !attack) card_offer_buffers(&card);
  return attack ? strike(&card, attack, &options, end) : behave_well(&card, &options, end);
}
