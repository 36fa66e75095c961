#include "nat.h"

#include <netinet/in.h>

static const unsigned CAPACITY = sizeof((struct nat *)0)->mappings / sizeof(struct mapping);
static const unsigned PERMISSIONS = sizeof((struct mapping *)0)->permitted / sizeof(struct endpoint);

static bool permitted(const struct mapping *mapping, struct endpoint other) {
  unsigned known = mapping->permissions < PERMISSIONS ? mapping->permissions : PERMISSIONS;
  for (unsigned n = 0; n < known; n++) {
    if (same_endpoint(mapping->permitted[n], other)) return true;
  }
  return false;
}

static struct mapping *make(struct nat *nat, const struct packet *packet) {
  struct mapping *mapping;
  if (nat->count < CAPACITY) {
    mapping = &nat->mappings[nat->count++];
  } else {
    mapping = &nat->mappings[nat->oldest];
    nat->oldest = (nat->oldest + 1) % CAPACITY;
  }
  // Never the port that the host chose: whoever guesses is wrong.
  if (nat->next_port < 20000) nat->next_port = 20000;
  *mapping = (struct mapping){
      .protocol = packet->protocol, .inner = packet->from.port, .outer = nat->next_port++, .only = packet->to};
  return mapping;
}

bool nat_out(struct nat *nat, struct packet *packet) {
  if (nat->kind == NAT_NONE) return true;
  if (!packet->ports) return false;
  struct mapping *found = NULL;
  for (unsigned n = 0; n < nat->count && !found; n++) {
    struct mapping *mapping = &nat->mappings[n];
    bool mine = mapping->protocol == packet->protocol && mapping->inner == packet->from.port;
    if (mine && (nat->kind == NAT_CONE || same_endpoint(mapping->only, packet->to))) found = mapping;
  }
  if (!found) found = make(nat, packet);
  if (!permitted(found, packet->to)) found->permitted[found->permissions++ % PERMISSIONS] = packet->to;
  rewrite_from(packet, (struct endpoint){nat->outer, found->outer});
  return true;
}

bool nat_in(struct nat *nat, struct packet *packet) {
  if (nat->kind == NAT_NONE) return true;
  if (!packet->ports) return false;
  for (unsigned n = 0; n < nat->count; n++) {
    struct mapping *mapping = &nat->mappings[n];
    if (mapping->protocol != packet->protocol || mapping->outer != packet->to.port) continue;
    if (!permitted(mapping, packet->from)) return false;
    rewrite_to(packet, (struct endpoint){nat->inner, mapping->inner});
    return true;
  }
  return false;
}

void nat_rebind(struct nat *nat) {
  unsigned kept = 0;
  for (unsigned n = 0; n < nat->count; n++) {
    if (nat->mappings[n].protocol != IPPROTO_UDP) nat->mappings[kept++] = nat->mappings[n];
  }
  nat->count = kept;
  nat->oldest = 0;
}
