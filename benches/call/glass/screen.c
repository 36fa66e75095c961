// Reads the screen that DISPLAY names:
//
//   screen find                       where the first pixel of #ff00ff is, from the top and left: `X Y`
//   screen watch SECONDS VIEW VIEW…   a line `VIEW NUMBER MICROSECONDS` (CLOCK_MONOTONIC) whenever a view shows another number
//
// A view is UPPER,LOWER,X,X,…: the rows of the screen that go through the two rows of cells of a number (see film.mjs), and the
// middles of its cells from left to right. A number may be mirrored.

#define _GNU_SOURCE
#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
  VIEWS = 4,
  CELLS = 16,
  /// Between two looks at all views: a tenth of the time of a picture.
  PAUSE_US = 3000,
  /// Of brightness, between the two cells of a bit.
  CONTRAST = 60,
};

struct view {
  int upper, lower, count, x[CELLS];
  long last;
};

static Display *display;

static long long now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000LL + time.tv_nsec / 1000;
}

static XImage *grab(int x, int y, int width, int height) {
  return XGetImage(display, DefaultRootWindow(display), x, y, (unsigned)width, (unsigned)height, AllPlanes, ZPixmap);
}

static int find(void) {
  int screen = DefaultScreen(display), width = DisplayWidth(display, screen), height = DisplayHeight(display, screen);
  XImage *image = grab(0, 0, width, height);
  for (int y = 0; image && y < height; y++) {
    for (int x = 0; x < width; x++) {
      if ((XGetPixel(image, x, y) & 0xffffff) != 0xff00ff) continue;
      printf("%d %d\n", x, y);
      return 0;
    }
  }
  return 1;
}

static bool parse(const char *text, struct view *view) {
  int read = 0;
  *view = (struct view){.last = -1};
  if (sscanf(text, "%d,%d%n", &view->upper, &view->lower, &read) != 2) return false;
  for (text += read; view->count < CELLS && sscanf(text, ",%d%n", &view->x[view->count], &read) == 1; text += read) view->count++;
  return *text == '\0' && view->count > 2;
}

/// The green of a row's cells.
static bool cells(const struct view *view, int row, int out[CELLS]) {
  int left = view->x[0];
  XImage *image = grab(left, row, view->x[view->count - 1] - left + 1, 1);
  if (!image) return false;
  for (int n = 0; n < view->count; n++) out[n] = (int)(XGetPixel(image, view->x[n] - left, 0) >> 8 & 0xff);
  XDestroyImage(image);
  return true;
}

/// The number that a view shows; -1 where it cannot be read for certain, such as between two pictures.
static long number(const struct view *view) {
  int upper[CELLS], lower[CELLS];
  if (!cells(view, view->upper, upper) || !cells(view, view->lower, lower)) return -1;
  int last = view->count - 1;
  for (int n = 0; n <= last; n++) {
    if (abs(upper[n] - lower[n]) < CONTRAST) return -1;
  }
  bool first_lit = upper[0] > lower[0], last_lit = upper[last] > lower[last];
  if (first_lit == last_lit) return -1;
  unsigned long gray = 0;
  for (int n = 1; n < last; n++) {
    int cell = first_lit ? n : last - n;
    gray = gray << 1 | (upper[cell] > lower[cell]);
  }
  unsigned long value = gray;
  for (unsigned long rest = gray >> 1; rest; rest >>= 1) value ^= rest;
  return (long)value;
}

static int watch(double seconds, struct view *views, int count) {
  long long end = now_us() + (long long)(seconds * 1e6);
  while (now_us() < end) {
    for (int n = 0; n < count; n++) {
      long seen = number(&views[n]);
      if (seen < 0 || seen == views[n].last) continue;
      views[n].last = seen;
      printf("%d %ld %lld\n", n, seen, now_us());
    }
    usleep(PAUSE_US);
  }
  return 0;
}

int main(int count, char **arguments) {
  struct view views[VIEWS];
  display = XOpenDisplay(NULL);
  if (!display) {
    fputs("screen: there is no display\n", stderr);
    return 2;
  }
  if (count == 2 && strcmp(arguments[1], "find") == 0) return find();
  if (count < 4 || count - 3 > VIEWS || strcmp(arguments[1], "watch") != 0) {
    fputs("usage: screen find | screen watch SECONDS VIEW…\n", stderr);
    return 2;
  }
  for (int n = 3; n < count; n++) {
    if (parse(arguments[n], &views[n - 3])) continue;
    fprintf(stderr, "screen: this is no view: %s\n", arguments[n]);
    return 2;
  }
  return watch(atof(arguments[2]), views, count - 3);
}
