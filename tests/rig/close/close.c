// Presses the close button of a program's windows, as a window manager does it for a person:
//
//   close PID     on the display that DISPLAY names
//
// It fails when the program has no window that can be closed so.

#include <X11/Xatom.h>
#include <X11/Xlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static Atom pid_atom, protocols_atom, delete_atom;

static bool is_of(Display *display, Window window, unsigned long pid) {
  Atom type;
  int format;
  unsigned long count, rest;
  unsigned char *data = NULL;
  bool ok = XGetWindowProperty(display, window, pid_atom, 0, 1, False, XA_CARDINAL, &type, &format, &count, &rest, &data) == Success;
  // Properties of 32 bits come as longs (XGetWindowProperty(3)).
  bool same = ok && data && format == 32 && count == 1 && *(unsigned long *)data == pid;
  if (data) XFree(data);
  return same;
}

static bool can_be_closed(Display *display, Window window) {
  XWindowAttributes attributes;
  if (!XGetWindowAttributes(display, window, &attributes) || attributes.map_state != IsViewable) return false;
  Atom *protocols;
  int count;
  if (!XGetWMProtocols(display, window, &protocols, &count)) return false;
  bool found = false;
  for (int n = 0; n < count; n++) found |= protocols[n] == delete_atom;
  XFree(protocols);
  return found;
}

/// Closes what is the program's under a window (ICCCM §4.2.8.1); how many there were.
static unsigned close_under(Display *display, Window parent, unsigned long pid) {
  Window root, above, *children = NULL;
  unsigned count = 0, closed = 0;
  if (!XQueryTree(display, parent, &root, &above, &children, &count)) return 0;
  for (unsigned n = 0; n < count; n++) {
    if (is_of(display, children[n], pid) && can_be_closed(display, children[n])) {
      XEvent event = {.xclient = {.type = ClientMessage, .window = children[n], .message_type = protocols_atom, .format = 32}};
      event.xclient.data.l[0] = (long)delete_atom;
      event.xclient.data.l[1] = CurrentTime;
      XSendEvent(display, children[n], False, NoEventMask, &event);
      closed++;
    } else {
      closed += close_under(display, children[n], pid);
    }
  }
  if (children) XFree(children);
  return closed;
}

/// A window may go while it is looked at.
static int ignore(Display *display, XErrorEvent *event) {
  (void)display, (void)event;
  return 0;
}

int main(int count, char **arguments) {
  Display *display = count == 2 ? XOpenDisplay(NULL) : NULL;
  if (!display) {
    fputs("usage: close PID, with a display\n", stderr);
    return 2;
  }
  XSetErrorHandler(ignore);
  pid_atom = XInternAtom(display, "_NET_WM_PID", False);
  protocols_atom = XInternAtom(display, "WM_PROTOCOLS", False);
  delete_atom = XInternAtom(display, "WM_DELETE_WINDOW", False);
  unsigned closed = close_under(display, DefaultRootWindow(display), strtoul(arguments[1], NULL, 10));
  XSync(display, False);
  XCloseDisplay(display);
  return closed > 0 ? 0 : 1;
}
