/* Sleepers with a ring: a worker that sleeps when it finds nothing, and others that hand it work and
 * wake it.
 *
 * Checked: nobody sleeps for ever beside work, without the time limit of the sleep, which would
 * hide a lost wake-up for 10 ms. Spin reports that as an invalid end state.
 */

#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef ELEMENTS
#define ELEMENTS 2
#endif

/* A ring for each producer; of the ring only its tail matters here. */
#define TAIL(producer) (producer)
#define ASLEEP PRODUCERS
#define WORDS (PRODUCERS + 1)
#define VALUES (2 * PRODUCERS * ELEMENTS + 8)
#define THREADS (PRODUCERS + 1)
#include "memory.pml"

#define SLEEPER PRODUCERS

/* The eventfd: a counter that a read clears. The system calls on it order what was before. */
bool isSignalled;
View signalled;

proctype Producer(byte producer) {
  byte element, isAsleep;
  do
  :: element == ELEMENTS -> break
  :: else ->
    element++;
    storeRelease(producer, TAIL(producer), element);
#ifndef DEFECT_WAKE_UNFENCED
    fullFence(producer);
#endif
    loadRelaxed(producer, ASLEEP, isAsleep);
    if
    :: isAsleep != 0 -> d_step { join(signalled, seen[producer]); isSignalled = true }
    :: else
    fi;
    isAsleep = 0
  od
}

inline look() {
  loadAcquire(SLEEPER, TAIL(0), tail);
  found = (tail > taken[0] -> 1 : 0);
  taken[0] = tail;
#if PRODUCERS > 1
  loadAcquire(SLEEPER, TAIL(1), tail);
  found = (tail > taken[1] -> 1 : found);
  taken[1] = tail;
#endif
  tail = 0
}

/* Whether something waits: takes nothing. */
inline glance() {
  loadAcquire(SLEEPER, TAIL(0), tail);
  found = (tail > taken[0] -> 1 : 0);
#if PRODUCERS > 1
  loadAcquire(SLEEPER, TAIL(1), tail);
  found = (tail > taken[1] -> 1 : found);
#endif
  tail = 0
}

#if PRODUCERS > 1
#define isAllTaken (taken[0] == ELEMENTS && taken[1] == ELEMENTS)
#else
#define isAllTaken (taken[0] == ELEMENTS)
#endif

proctype Sleeper() {
  byte taken[PRODUCERS];
  byte tail;
  bit found;
  do
  :: isAllTaken -> break
  :: else ->
    look();
    if
    :: found -> found = 0
    :: else ->
#ifdef DEFECT_LOOK_BEFORE_ANNOUNCING
      glance();
      storeRelaxed(SLEEPER, ASLEEP, 1);
      fullFence(SLEEPER);
#else
      storeRelaxed(SLEEPER, ASLEEP, 1);
#ifndef DEFECT_SLEEP_UNFENCED
      fullFence(SLEEPER);
#endif
      glance();
#endif
      if
      :: found -> found = 0
      :: else -> d_step { isSignalled -> isSignalled = false; join(seen[SLEEPER], signalled) }
      fi;
      storeRelaxed(SLEEPER, ASLEEP, 0)
    fi
  od
}

init {
  atomic {
    for (k : 0 .. PRODUCERS - 1) { run Producer(k) }
    k = 0;
    run Sleeper()
  }
}
