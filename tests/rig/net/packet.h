// An IPv4 packet with TCP, UDP or anything else in it, and giving it other addresses.

#ifndef PARLOR_NET_PACKET_H
#define PARLOR_NET_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// An address and a port; host byte order.
struct endpoint {
  uint32_t address;
  uint16_t port;
};

struct packet {
  uint8_t *bytes;
  size_t size;
  uint8_t protocol;
  struct endpoint from, to;
  /// It has ports, and is not a later piece of a fragmented one.
  bool ports;
};

bool same_endpoint(struct endpoint one, struct endpoint other);

/// False when the bytes are no whole IPv4 packet.
bool read_packet(struct packet *packet, uint8_t *bytes, size_t size);

/// Writes another sender or receiver into a packet and mends its checksums (RFC 1624).
void rewrite_from(struct packet *packet, struct endpoint from);
void rewrite_to(struct packet *packet, struct endpoint to);

#endif
