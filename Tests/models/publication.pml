/* PublishedPointer with QuiescentState: a writer that replaces what is published and frees what it
 * replaced, and readers that go online, work in rounds, and go offline.
 *
 * Checked: a reader only ever follows what is whole and not freed, and frees never race with reads.
 */

#ifndef READERS
#define READERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
/* How often a reader goes online. */
#ifndef LIVES
#define LIVES 2
#endif
/* Published one after another; the first is there before any reader. */
#ifndef GENERATIONS
#define GENERATIONS 3
#endif
#define FIRST 2
#define LAST (FIRST + GENERATIONS - 1)
#define OFFLINE 0
#define ONLINE 1

#define POINTER 0
#define LINE(reader) (1 + (reader))
#define CONTENT(generation) (1 + READERS + (generation) - FIRST)
/* Written by a reader that has read a generation's content: what the writer must know to free it. */
#define READ(reader, generation) \
  (1 + READERS + GENERATIONS + (reader) * GENERATIONS + (generation) - FIRST)
#define WORDS (1 + READERS + GENERATIONS + READERS * GENERATIONS)
#define VALUES (LIVES * (ROUNDS + 2) + 1)
#define THREADS (READERS + 1)
#include "memory.pml"

#define WRITER READERS

#ifdef DEFECT_ANNOUNCE_RELAXED
#define storeAnnouncement storeRelaxed
#else
#define storeAnnouncement storeRelease
#endif
#ifdef DEFECT_PUBLISH_RELAXED
#define storePointer storeRelaxed
#else
#define storePointer storeRelease
#endif
#ifdef DEFECT_LINE_READ_RELAXED
#define loadLine loadRelaxed
#else
#define loadLine loadAcquire
#endif

bool isFreed[LAST + 1];

inline lookAt(generation) {
  d_step {
    assert(!isFreed[generation]);
    assertNoRace(reader, CONTENT(generation));
    assert(memory[CONTENT(generation)].values[memory[CONTENT(generation)].last].value == generation)
  }
}

/* The last look of a round, which the writer has to know of before it frees. */
inline follow(generation) {
  atomic {
    lookAt(generation);
    storeRelaxed(reader, READ(reader, generation), 1)
  }
}

proctype Reader(byte reader) {
  byte generation, rounds, lives;
  do
  :: lives == LIVES -> break
  :: else ->
    lives++;
    storeRelease(reader, LINE(reader), ONLINE);
#ifndef DEFECT_ONLINE_UNFENCED
    fullFence(reader);
#endif
    do
    :: rounds == ROUNDS -> break
    :: rounds < ROUNDS ->
      rounds++;
      loadAcquire(reader, POINTER, generation);
      /* Its number stands in what the pointer leads to. */
      lookAt(generation);
#ifdef DEFECT_ANNOUNCE_NEXT
      storeAnnouncement(reader, LINE(reader), generation + 1);
#else
      storeAnnouncement(reader, LINE(reader), generation);
#endif
      follow(generation)
    :: rounds > 0 -> break
    od;
    generation = 0;
    rounds = 0;
    storeAnnouncement(reader, LINE(reader), OFFLINE)
  od
}

proctype Writer() {
  byte generation = FIRST, reader, announced;
  do
  :: generation == LAST -> break
  :: else ->
    generation++;
    storeRelaxed(WRITER, CONTENT(generation), generation);
    storePointer(WRITER, POINTER, generation);
#ifndef DEFECT_WRITER_UNFENCED
    fullFence(WRITER);
#endif
    reader = 0;
    do
    :: reader == READERS -> break
    :: else ->
      loadLine(WRITER, LINE(reader), announced);
      if
#ifdef DEFECT_ONLINE_IS_PASSED
      :: announced <= ONLINE || announced >= generation -> reader++
#elif defined(DEFECT_ONE_GENERATION_OLD)
      :: announced == OFFLINE || announced + 1 >= generation -> reader++
#else
      :: announced == OFFLINE || announced >= generation -> reader++
#endif
      :: else ->
        /* `havePassed` is false: it looks again later, from the first reader and fenced. */
        seen[WRITER].at[LINE(reader)] < memory[LINE(reader)].last;
        reader = 0;
        fullFence(WRITER)
      fi;
      announced = 0
    od;
    atomic {
      for (reader : 0 .. READERS - 1) { assertNoRace(WRITER, READ(reader, generation - 1)) }
      reader = 0;
      isFreed[generation - 1] = true
    }
  od
}

init {
  atomic {
    memory[POINTER].values[0].value = FIRST;
    memory[CONTENT(FIRST)].values[0].value = FIRST;
    for (k : 0 .. READERS - 1) { run Reader(k) }
    k = 0;
    run Writer()
  }
}
