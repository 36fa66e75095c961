// Address translation as home routers do it (RFC 4787), for TCP and UDP.

#ifndef PARLOR_NET_NAT_H
#define PARLOR_NET_NAT_H

#include "packet.h"

enum kind {
  /// The host's own address is public.
  NAT_NONE,
  /// One public port for each port of the host, whoever it talks to.
  NAT_CONE,
  /// Another public port for each other side.
  NAT_SYMMETRIC,
};

struct mapping {
  uint8_t protocol;
  uint16_t inner, outer;
  /// Of a symmetric one: the only other side.
  struct endpoint only;
  /// Whom the host has sent to: only they are let in (address and port dependent filtering). Overwritten in turn.
  struct endpoint permitted[32];
  unsigned permissions;
};

struct nat {
  enum kind kind;
  uint32_t inner, outer;
  uint16_t next_port;
  /// Overwritten in turn.
  struct mapping mappings[512];
  unsigned count, oldest;
};

/// Gives a packet of the host its public sender.
/// False when it cannot be translated.
bool nat_out(struct nat *nat, struct packet *packet);

/// Gives a packet for the public address its receiver behind it; false when nobody there asked for it.
bool nat_in(struct nat *nat, struct packet *packet);

/// Forgets which public ports UDP had: the next packets leave through others. TCP keeps its own.
void nat_rebind(struct nat *nat);

#endif
