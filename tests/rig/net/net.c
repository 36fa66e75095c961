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
//        loss-out, loss-in  as loss, of packets from and to the host alone
//        burst  how many packets are lost in a row, on average; at first each is lost or not by itself
//        seed   the same number loses the same packets
//        rate   of what the host sends, in kbit/s; 0 for no limit, as at first
//        queue  how long a packet may wait for its turn at that rate, in ms: the next one is dropped (at first 200)
//   nat DEVICE@NAMESPACE none|cone|symmetric
//   rebind DEVICE@NAMESPACE    its router forgets the public ports that it gave to UDP
//   trace DEVICE@NAMESPACE [FILE]   writes what becomes of each packet that the host sends, a line each, from now on or no more:
//        MS BYTES FATE, when on the monotonic clock and either how long it waited for its turn, in ms, or `dropped` or `lost`
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

#include "flight.h"
#include "nat.h"

enum {
  LINKS = 16,
  MTU = 1500,
  QUEUE_MS = 200,
};

/// What is lost in one direction.
struct losses {
  double percent;
  bool within_burst;
};

struct link {
  char name[80];
  int tun;
  double delay, burst;
  struct losses loss_out, loss_in;
  unsigned short random[3];
  /// Of what the host sends: bits in a ms, the longest wait in ms, and when the last packet that was taken is through.
  double rate, queue, busy;
  FILE *trace;
  bool out, in, udp;
  struct nat nat;
};

static struct link links[LINKS];
static unsigned link_count;

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void fail(const char *what) {
  fprintf(stderr, "net: %s: %s\n", what, strerror(errno));
  exit(1);
}

/// Bursts are Gilbert's chain of two states, in one of which everything is lost.
static bool lost(struct link *link, struct losses *losses) {
  double part = losses->percent / 100;
  if (part <= 0) return false;
  double chance = erand48(link->random);
  if (link->burst <= 1 || part >= 1) return chance < part;
  double end = 1 / link->burst, begin = end * part / (1 - part);
  losses->within_burst = losses->within_burst ? chance >= end : chance < begin;
  return losses->within_burst;
}

static void seed(struct link *link, uint32_t number) {
  link->random[0] = 0x330e; // As srand48() begins.
  link->random[1] = (unsigned short)number;
  link->random[2] = (unsigned short)(number >> 16);
  link->loss_out.within_burst = link->loss_in.within_burst = false;
}

static void tell(const struct link *from, double at, size_t size, const char *fate) {
  if (from->trace) fprintf(from->trace, "%.3f %zu %s\n", at, size, fate);
}

/// What waits for its turn leaves at the new rate.
static void set_rate(struct link *link, double rate) {
  double now = now_ms();
  if (link->rate > 0 && rate > 0 && link->busy > now) {
    stretch(link, now, link->rate / rate);
    link->busy = now + (link->busy - now) * link->rate / rate;
  }
  link->rate = rate;
}

/// Where the internet finds the host.
static uint32_t outward(const struct link *link) {
  return link->nat.kind == NAT_NONE ? link->nat.inner : link->nat.outer;
}

/// From a host into the internet.
static void depart(struct link *from, uint8_t *bytes, size_t size) {
  struct packet packet;
  if (!read_packet(&packet, bytes, size) || sky_full()) return;
  // No provider carries packets with a sender that is none of its customers.
  if (!from->out || packet.from.address != from->nat.inner) return;
  if (packet.protocol == IPPROTO_UDP && !from->udp) return;
  double now = now_ms(), turn = from->rate > 0 && from->busy > now ? from->busy : now;
  if (lost(from, &from->loss_out)) return tell(from, now, size, "lost");
  if (!nat_out(&from->nat, &packet)) return;
  if (turn - now > from->queue) return tell(from, now, size, "dropped");
  double through = from->rate > 0 ? turn + (double)size * 8 / from->rate : now;
  for (unsigned n = 0; n < link_count; n++) {
    struct link *to = &links[n];
    if (to == from || packet.to.address != outward(to)) continue;
    struct flight flight = {.from = from, .to = to, .through = through, .wait = turn - now, .due = through + from->delay + to->delay, .size = size};
    from->busy = through;
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
  char wait[32];
  snprintf(wait, sizeof wait, "%.3f", flight->wait);
  tell(flight->from, flight->through, flight->size, wait);
  bool whole = read_packet(&packet, flight->bytes, flight->size);
  bool passes = to->in && (packet.protocol != IPPROTO_UDP || to->udp) && !lost(to, &to->loss_in);
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
  *link = (struct link){.out = true, .in = true, .udp = true, .queue = QUEUE_MS};
  snprintf(link->name, sizeof link->name, "%s@%s", device, namespace);
  seed(link, link_count);
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
  else if (strcmp(key, "loss") == 0) link->loss_out.percent = link->loss_in.percent = number;
  else if (strcmp(key, "loss-out") == 0) link->loss_out.percent = number;
  else if (strcmp(key, "loss-in") == 0) link->loss_in.percent = number;
  else if (strcmp(key, "burst") == 0) link->burst = number;
  else if (strcmp(key, "rate") == 0) set_rate(link, number);
  else if (strcmp(key, "queue") == 0) link->queue = number;
  else if (strcmp(key, "seed") == 0) seed(link, (uint32_t)number);
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

static bool set_trace(struct link *link, const char *path) {
  if (link->trace && fclose(link->trace) != 0) return false;
  link->trace = path ? fopen(path, "we") : NULL;
  return !path || link->trace;
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
  if (strcmp(verb, "trace") == 0) return set_trace(link, line);
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
    double due;
    if (next_due(&due)) {
      double rest = due - now_ms();
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
    while (next_due(&due) && due <= now_ms()) {
      struct flight flight = pop();
      arrive(&flight);
    }
  }
}
