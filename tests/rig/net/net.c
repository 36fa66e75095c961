// The network between hosts that live in network namespaces of one machine: every link of a host is a TUN device here,
// with a delay, losses and a router that may translate addresses; between the links is an ideal internet.
//
//   net LINK…             LINK is NAMESPACE/DEVICE/ADDRESS, or NAMESPACE/DEVICE/ADDRESS/PUBLIC behind a router
//
// It prints `ready`, and then answers each line on its standard input with `ok` or `error`, in order:
//
//   link DEVICE@NAMESPACE KEY=NUMBER…
//        delay  one way, in ms, on this link alone        out  0 loses everything that the host sends
//        loss   of packets in each direction, in %        in   0 loses everything on its way to the host
//        udp    0 loses all UDP
//   nat DEVICE@NAMESPACE none|cone|symmetric
//   rebind DEVICE@NAMESPACE    its router forgets the public ports that it gave to UDP
//
// It ends when its standard input does, and the devices with it.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "nat.h"

enum {
  LINKS = 16,
  /// Packets on their way at once; more are lost, as in a router that is full.
  FLYING = 8192,
  MTU = 1500,
};

struct link {
  char name[80];
  int tun;
  double delay, loss;
  bool out, in, udp;
  struct nat nat;
};

/// A packet on its way to a link, in a binary heap by when it is due, and then by when it came.
struct flight {
  double due;
  uint64_t order;
  struct link *to;
  size_t size;
  uint8_t *bytes;
};

static struct link links[LINKS];
static unsigned link_count;
static struct flight heap[FLYING];
static unsigned flying;
static uint64_t order;

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void fail(const char *what) {
  fprintf(stderr, "net: %s: %s\n", what, strerror(errno));
  exit(1);
}

static bool before(const struct flight *one, const struct flight *other) {
  return one->due != other->due ? one->due < other->due : one->order < other->order;
}

static void swap(unsigned one, unsigned other) {
  struct flight kept = heap[one];
  heap[one] = heap[other];
  heap[other] = kept;
}

static void push(struct flight flight) {
  heap[flying] = flight;
  for (unsigned at = flying++; at > 0 && before(&heap[at], &heap[(at - 1) / 2]); at = (at - 1) / 2) swap(at, (at - 1) / 2);
}

static struct flight pop(void) {
  struct flight first = heap[0];
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

static bool lost(const struct link *link) {
  return link->loss > 0 && drand48() * 100 < link->loss;
}

/// Where the internet finds the host.
static uint32_t outward(const struct link *link) {
  return link->nat.kind == NAT_NONE ? link->nat.inner : link->nat.outer;
}

/// From a host into the internet.
static void depart(struct link *from, uint8_t *bytes, size_t size) {
  struct packet packet;
  if (!read_packet(&packet, bytes, size) || flying == FLYING || lost(from)) return;
  // No provider carries packets with a sender that is none of its customers.
  if (!from->out || packet.from.address != from->nat.inner) return;
  if (packet.protocol == IPPROTO_UDP && !from->udp) return;
  if (!nat_out(&from->nat, &packet)) return;
  for (unsigned n = 0; n < link_count; n++) {
    struct link *to = &links[n];
    if (to == from || packet.to.address != outward(to)) continue;
    struct flight flight = {.due = now_ms() + from->delay + to->delay, .order = order++, .to = to, .size = size};
    flight.bytes = malloc(size);
    if (!flight.bytes) fail("no memory");
    memcpy(flight.bytes, bytes, size);
    push(flight);
    return;
  }
}

/// Out of the internet to a host.
static void arrive(struct flight *flight) {
  struct link *to = flight->to;
  struct packet packet;
  bool whole = read_packet(&packet, flight->bytes, flight->size);
  bool passes = to->in && (packet.protocol != IPPROTO_UDP || to->udp) && !lost(to);
  // A device that is down takes nothing, as a cable that is not plugged in.
  if (whole && passes && nat_in(&to->nat, &packet) && write(to->tun, packet.bytes, packet.size) < 0 && errno != EIO && errno != EAGAIN) {
    fail("a packet could not be handed over");
  }
  free(flight->bytes);
}

static int open_tun(const char *namespace, const char *device) {
  char path[128];
  snprintf(path, sizeof path, "/run/netns/%s", namespace);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0 || setns(file, CLONE_NEWNET) != 0) fail(path);
  close(file);
  int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (tun < 0) fail("/dev/net/tun");
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
  if (ioctl(tun, TUNSETIFF, &request) != 0) fail(device);
  return tun;
}

static void add_link(char *description) {
  char *rest = description;
  const char *namespace = strsep(&rest, "/"), *device = strsep(&rest, "/"), *address = strsep(&rest, "/"), *public = strsep(&rest, "/");
  struct in_addr inner, outer;
  if (link_count == LINKS || !address || !inet_aton(address, &inner) || !inet_aton(public ? public : address, &outer)) {
    fprintf(stderr, "net: this is no link: %s\n", description);
    exit(2);
  }
  struct link *link = &links[link_count++];
  *link = (struct link){.out = true, .in = true, .udp = true};
  snprintf(link->name, sizeof link->name, "%s@%s", device, namespace);
  link->nat.kind = public ? NAT_CONE : NAT_NONE;
  link->nat.inner = ntohl(inner.s_addr);
  link->nat.outer = ntohl(outer.s_addr);
  link->tun = open_tun(namespace, device);
}

static bool set(struct link *link, char *setting) {
  char *value = setting, *end;
  const char *key = strsep(&value, "=");
  if (!value) return false;
  double number = strtod(value, &end);
  if (end == value || *end || number < 0) return false;
  if (strcmp(key, "delay") == 0) link->delay = number;
  else if (strcmp(key, "loss") == 0) link->loss = number;
  else if (strcmp(key, "out") == 0) link->out = number > 0;
  else if (strcmp(key, "in") == 0) link->in = number > 0;
  else if (strcmp(key, "udp") == 0) link->udp = number > 0;
  else return false;
  return true;
}

static bool set_kind(struct link *link, const char *word) {
  static const char *const kinds[] = {"none", "cone", "symmetric"};
  for (unsigned kind = 0; kind < 3; kind++) {
    if (strcmp(word, kinds[kind]) != 0) continue;
    // Without a public address of its own a router has nothing to translate to.
    if (kind != NAT_NONE && link->nat.inner == link->nat.outer) return false;
    link->nat.kind = kind;
    return true;
  }
  return false;
}

static bool obey(char *line) {
  const char *verb = strsep(&line, " "), *name = strsep(&line, " ");
  struct link *link = NULL;
  for (unsigned n = 0; name && n < link_count; n++) {
    if (strcmp(links[n].name, name) == 0) link = &links[n];
  }
  if (!link) return false;
  if (strcmp(verb, "link") == 0) {
    for (char *setting; (setting = strsep(&line, " "));) {
      if (!set(link, setting)) return false;
    }
    return true;
  }
  if (strcmp(verb, "nat") == 0) return line && set_kind(link, line);
  if (strcmp(verb, "rebind") == 0) {
    nat_rebind(&link->nat);
    return true;
  }
  return false;
}

/// Reads what was asked; false at the end.
static bool listen_to(int input) {
  static char text[4096];
  static size_t have;
  ssize_t got = read(input, text + have, sizeof text - 1 - have);
  if (got <= 0) return false;
  have += (size_t)got;
  text[have] = 0;
  char *rest = text;
  for (char *end; (end = strchr(rest, '\n')); rest = end + 1) {
    *end = 0;
    puts(obey(rest) ? "ok" : "error");
  }
  have = strlen(rest);
  memmove(text, rest, have);
  fflush(stdout);
  return have < sizeof text - 1;
}

int main(int count, char **arguments) {
  for (int n = 1; n < count; n++) add_link(arguments[n]);
  if (link_count == 0) {
    fputs("usage: net NAMESPACE/DEVICE/ADDRESS[/PUBLIC]…\n", stderr);
    return 2;
  }
  // Before everybody else, where that is allowed: no packet waits for the programs that it goes between.
  sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
  puts("ready");
  fflush(stdout);
  for (;;) {
    struct pollfd files[LINKS + 1] = {{.fd = STDIN_FILENO, .events = POLLIN}};
    for (unsigned n = 0; n < link_count; n++) files[n + 1] = (struct pollfd){.fd = links[n].tun, .events = POLLIN};
    struct timespec wait = {0}, *limit = NULL;
    if (flying > 0) {
      double rest = heap[0].due - now_ms();
      if (rest > 0) wait = (struct timespec){(time_t)(rest / 1e3), (long)((rest - 1e3 * (double)(time_t)(rest / 1e3)) * 1e6)};
      limit = &wait;
    }
    if (ppoll(files, link_count + 1, limit, NULL) < 0 && errno != EINTR) fail("ppoll");
    if (files[0].revents && !listen_to(STDIN_FILENO)) return 0;
    for (unsigned n = 0; n < link_count; n++) {
      uint8_t bytes[MTU];
      // A device that is down has POLLERR and nothing to read.
      for (ssize_t size; (files[n + 1].revents & POLLIN) && (size = read(links[n].tun, bytes, sizeof bytes)) > 0;) depart(&links[n], bytes, (size_t)size);
    }
    while (flying > 0 && heap[0].due <= now_ms()) {
      struct flight flight = pop();
      arrive(&flight);
    }
  }
}
