/* RingIndices with SPSCRing and SlotRing: one producer, one consumer, and a third thread that asks
 * how much is in the ring.
 *
 * Checked: every element arrives once and in order, no slot is written while it may still be read
 * or read before it is written, the ring never holds more than its capacity, and `count` is never
 * less than nothing. Positions wrap at 16 here as they do at 2^64 there, and begin just before.
 */

#define CAPACITY 2
#ifndef ELEMENTS
#define ELEMENTS 5
#endif
#define WRAP 16
#define FIRST 14

#define TAIL 0
#define HEAD 1
#define SLOT(position) (2 + (position) % CAPACITY)
/* Written by the consumer when it has read a slot: what the producer must know before it fills it. */
#define READ(position) (4 + (position) % CAPACITY)
#define WORDS 6
#define VALUES (ELEMENTS + 2)
#define THREADS 3
#include "memory.pml"

#define PRODUCER 0
#define CONSUMER 1
#define OBSERVER 2

#define distance(from, to) ((to + WRAP - from) % WRAP)

#ifdef DEFECT_PUBLISH_RELAXED
#define storeTail storeRelaxed
#else
#define storeTail storeRelease
#endif
#ifdef DEFECT_TAKE_RELAXED
#define storeHead storeRelaxed
#else
#define storeHead storeRelease
#endif
#ifdef DEFECT_TAIL_READ_RELAXED
#define loadTail loadRelaxed
#else
#define loadTail loadAcquire
#endif
#ifdef DEFECT_HEAD_READ_RELAXED
#define loadHead loadRelaxed
#else
#define loadHead loadAcquire
#endif
#ifdef DEFECT_ROOM_FOR_ONE_MORE
#define ROOM (CAPACITY + 1)
#else
#define ROOM CAPACITY
#endif

byte arrived;

proctype Producer() {
  byte staged = FIRST, knownHead = FIRST, published = FIRST;
  byte element = 1;
  do
  :: element > ELEMENTS -> break
  :: else ->
    if
    :: distance(knownHead, staged) >= ROOM -> loadHead(PRODUCER, HEAD, knownHead)
    :: else
    fi;
    if
    :: distance(knownHead, staged) < ROOM ->
      atomic {
        assertNoRace(PRODUCER, READ(staged));
        storeRelaxed(PRODUCER, SLOT(staged), element)
      };
      element++;
      staged = (staged + 1) % WRAP;
      /* `push` publishes several at once: any number of staged elements may wait. */
      if
      :: storeTail(PRODUCER, TAIL, staged); published = staged
      :: skip
      fi
    :: else ->
      /* Full: what is staged is published, and the producer tries again when there may be room. */
      if
      :: published != staged -> storeTail(PRODUCER, TAIL, staged); published = staged
      :: else
      fi;
      seen[PRODUCER].at[HEAD] < memory[HEAD].last
    fi
  od;
  if
  :: published != staged -> storeTail(PRODUCER, TAIL, staged)
  :: else
  fi
}

proctype Consumer() {
  byte head = FIRST, knownTail = FIRST, wanted, count, number, value;
  do
  :: arrived == ELEMENTS -> break
  :: else ->
    if
    :: wanted = 1
    :: wanted = CAPACITY
    fi;
    if
    :: distance(head, knownTail) < wanted -> loadTail(CONSUMER, TAIL, knownTail)
    :: else
    fi;
    count = distance(head, knownTail);
    assert(count <= CAPACITY);
    if
    :: count > wanted -> count = wanted
    :: else
    fi;
    if
    :: count == 0 -> seen[CONSUMER].at[TAIL] < memory[TAIL].last
    :: else
    fi;
#ifdef DEFECT_TAKE_BEFORE_READ
    storeHead(CONSUMER, HEAD, (head + count) % WRAP);
#endif
    number = 0;
    do
    :: number == count -> break
    :: else ->
      atomic {
        assertNoRace(CONSUMER, SLOT(head + number));
        value = memory[SLOT(head + number)].values[memory[SLOT(head + number)].last].value;
        assert(value == arrived + 1);
        arrived++;
        storeRelaxed(CONSUMER, READ(head + number), 1);
        number++
      }
    od;
    head = (head + count) % WRAP;
#ifndef DEFECT_TAKE_BEFORE_READ
    if
    :: count > 0 -> storeHead(CONSUMER, HEAD, head)
    :: else
    fi;
#endif
    count = 0; number = 0; value = 0; wanted = 0
  od
}

proctype Observer() {
  byte head, tail;
#ifdef DEFECT_COUNT_TAIL_FIRST
  loadAcquire(OBSERVER, TAIL, tail);
  loadAcquire(OBSERVER, HEAD, head);
#else
  loadAcquire(OBSERVER, HEAD, head);
  loadAcquire(OBSERVER, TAIL, tail);
#endif
  assert(distance(head, tail) <= ELEMENTS)
}

init {
  atomic {
    memory[TAIL].values[0].value = FIRST;
    memory[HEAD].values[0].value = FIRST;
    run Producer();
    run Consumer();
    run Observer()
  }
}
