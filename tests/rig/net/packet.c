#include "packet.h"

#include <netinet/in.h>
#include <string.h>

enum {
  ADDRESS_FROM = 12,
  ADDRESS_TO = 16,
  CHECKSUM = 10,
  TCP_CHECKSUM = 16,
  UDP_CHECKSUM = 6,
};

static uint16_t load(const uint8_t *at) {
  return (uint16_t)(at[0] << 8 | at[1]);
}

static void store(uint8_t *at, uint16_t value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

static size_t header_size(const uint8_t *bytes) {
  return (bytes[0] & 15) * 4u;
}

bool same_endpoint(struct endpoint one, struct endpoint other) {
  return one.address == other.address && one.port == other.port;
}

bool read_packet(struct packet *packet, uint8_t *bytes, size_t size) {
  if (size < 20 || bytes[0] >> 4 != 4 || header_size(bytes) < 20 || size < header_size(bytes) + 8) return false;
  *packet = (struct packet){.bytes = bytes, .size = size, .protocol = bytes[9]};
  packet->from.address = (uint32_t)load(bytes + ADDRESS_FROM) << 16 | load(bytes + ADDRESS_FROM + 2);
  packet->to.address = (uint32_t)load(bytes + ADDRESS_TO) << 16 | load(bytes + ADDRESS_TO + 2);
  bool first = (load(bytes + 6) & 0x1fff) == 0;
  bool tcp = packet->protocol == IPPROTO_TCP && size >= header_size(bytes) + 20;
  packet->ports = first && (tcp || packet->protocol == IPPROTO_UDP);
  if (packet->ports) {
    packet->from.port = load(bytes + header_size(bytes));
    packet->to.port = load(bytes + header_size(bytes) + 2);
  }
  return true;
}

/// RFC 1624, equation 3: what a checksum becomes when one word of what it covers changes.
static void mend(uint8_t *checksum, uint16_t before, uint16_t after) {
  uint32_t sum = (uint16_t)~load(checksum) + (uint16_t)~before + after;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  store(checksum, (uint16_t)~sum);
}

static void rewrite(struct packet *packet, size_t address_at, size_t port_at, struct endpoint to) {
  uint8_t *payload = packet->bytes + header_size(packet->bytes);
  uint8_t *inner = NULL;
  if (packet->protocol == IPPROTO_TCP) inner = payload + TCP_CHECKSUM;
  // No checksum at all is written as 0 in UDP.
  if (packet->protocol == IPPROTO_UDP && load(payload + UDP_CHECKSUM) != 0) inner = payload + UDP_CHECKSUM;
  for (size_t half = 0; half < 2; half++) {
    uint8_t *at = packet->bytes + address_at + 2 * half;
    uint16_t value = (uint16_t)(to.address >> (half == 0 ? 16 : 0));
    mend(packet->bytes + CHECKSUM, load(at), value);
    if (inner) mend(inner, load(at), value);
    store(at, value);
  }
  if (inner) mend(inner, load(payload + port_at), to.port);
  store(payload + port_at, to.port);
  if (inner && packet->protocol == IPPROTO_UDP && load(inner) == 0) store(inner, 0xffff);
}

void rewrite_from(struct packet *packet, struct endpoint from) {
  rewrite(packet, ADDRESS_FROM, 0, from);
  packet->from = from;
}

void rewrite_to(struct packet *packet, struct endpoint to) {
  rewrite(packet, ADDRESS_TO, 2, to);
  packet->to = to;
}
