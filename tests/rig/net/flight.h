// Packets on their way, in the order in which they are due.

#ifndef PARLOR_NET_FLIGHT_H
#define PARLOR_NET_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  /// Packets on their way at once; more are lost, as in a router that is full.
  FLYING = 8192,
};

struct link;

struct flight {
  struct link *from, *to;
  /// When it is through at the rate of the link that it came from, after waiting how long for its turn, and when it is there; ms.
  double through, wait, due;
  size_t size;
  uint8_t *bytes;
};

/// Whether there are as many as there may be.
bool sky_full(void);

/// When the first one is due; false without any.
bool next_due(double *due);

void push(struct flight flight);

/// Takes the first one out. There must be one.
struct flight pop(void);

/// From now on the rate of a link is another: what waits there takes so many times as long.
void stretch(const struct link *from, double now, double times);

#endif
