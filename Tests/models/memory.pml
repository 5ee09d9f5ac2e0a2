/* Memory as C11 lets threads see it, for words that one thread each writes.
 *
 * A word keeps every value it was given. A thread has a view: of each word, the oldest value that it
 * may still read. A load takes any value from there on. A release store leaves the thread's view
 * with the value, and an acquire load takes that over; relaxed ones do so only across fences. A
 * sequentially consistent fence joins the thread's view with that of all such fences before it. The
 * source is the operational reading of the C11 model of Kang and others (POPL 2017) without
 * promises: loads are not reordered after later stores of their thread, which no protocol here
 * depends on, for each has an acquire, a release or a fence between. That includes x86's store
 * buffers and allows more.
 *
 * A model defines THREADS, WORDS, and VALUES: how many values a word gets at most, the first one
 * included.
 */

typedef View { byte at[WORDS] };
typedef Value { byte value; View view };
typedef Word { byte last; Value values[VALUES] };

Word memory[WORDS];
View seen[THREADS];    /* may read nothing older */
View pending[THREADS]; /* seen once it fences: left with values that it read relaxed */
View fenced[THREADS];  /* seen at its last fence: goes along with relaxed stores */
View everyFence;

hidden byte k;

inline join(into, from) {
  for (k : 0 .. WORDS - 1) {
    if
    :: from.at[k] > into.at[k] -> into.at[k] = from.at[k]
    :: else
    fi
  }
  k = 0
}

/* Adds a value, the view that goes with it given. */
inline write(thread, word, new, carried) {
  assert(memory[word].last + 1 < VALUES);
  memory[word].last++;
  seen[thread].at[word] = memory[word].last;
  memory[word].values[memory[word].last].value = new;
  join(memory[word].values[memory[word].last].view, carried);
  memory[word].values[memory[word].last].view.at[word] = memory[word].last
}

inline storeRelease(thread, word, new) {
  d_step { write(thread, word, new, seen[thread]) }
}

inline storeRelaxed(thread, word, new) {
  d_step { write(thread, word, new, fenced[thread]) }
}

/* Any value that the thread may still read. */
inline choose(thread, word) {
  do
  :: seen[thread].at[word] < memory[word].last -> seen[thread].at[word]++
  :: break
  od
}

inline loadAcquire(thread, word, result) {
  atomic {
    choose(thread, word);
    join(seen[thread], memory[word].values[seen[thread].at[word]].view);
    result = memory[word].values[seen[thread].at[word]].value
  }
}

inline loadRelaxed(thread, word, result) {
  atomic {
    choose(thread, word);
    join(pending[thread], memory[word].values[seen[thread].at[word]].view);
    result = memory[word].values[seen[thread].at[word]].value
  }
}

inline fullFence(thread) {
  d_step {
    join(seen[thread], pending[thread]);
    join(seen[thread], everyFence);
    join(everyFence, seen[thread]);
    join(fenced[thread], seen[thread])
  }
}

/* An access that is not atomic has to know all that others did to the word before: else two
 * threads race. */
inline assertNoRace(thread, word) { assert(seen[thread].at[word] == memory[word].last) }
