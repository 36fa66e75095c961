#include "flight.h"

/// A binary heap by when they are due, and then by when they came.
static struct entry {
  struct flight flight;
  uint64_t order;
} heap[FLYING];
static unsigned flying;
static uint64_t order;

static bool before(const struct entry *one, const struct entry *other) {
  return one->flight.due != other->flight.due ? one->flight.due < other->flight.due : one->order < other->order;
}

static void swap(unsigned one, unsigned other) {
  struct entry kept = heap[one];
  heap[one] = heap[other];
  heap[other] = kept;
}

static void insert(struct entry entry) {
  heap[flying] = entry;
  for (unsigned at = flying++; at > 0 && before(&heap[at], &heap[(at - 1) / 2]); at = (at - 1) / 2) swap(at, (at - 1) / 2);
}

bool sky_full(void) {
  return flying == FLYING;
}

bool next_due(double *due) {
  if (flying > 0) *due = heap[0].flight.due;
  return flying > 0;
}

void push(struct flight flight) {
  insert((struct entry){flight, order++});
}

struct flight pop(void) {
  struct flight first = heap[0].flight;
  heap[0] = heap[--flying];
  for (unsigned at = 0;;) {
    unsigned least = at;
    for (unsigned child = 2 * at + 1; child <= 2 * at + 2; child++) {
      if (child < flying && before(&heap[child], &heap[least])) least = child;
    }
    if (least == at) return first;
    swap(at, least);
    at = least;
  }
}

void stretch(const struct link *from, double now, double times) {
  unsigned count = flying;
  flying = 0;
  for (unsigned n = 0; n < count; n++) {
    struct entry entry = heap[n];
    struct flight *flight = &entry.flight;
    double more = flight->from == from && flight->through > now ? (flight->through - now) * (times - 1) : 0;
    flight->through += more;
    flight->wait += more;
    flight->due += more;
    insert(entry);
  }
}
