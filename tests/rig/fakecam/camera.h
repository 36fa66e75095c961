/* A V4L2 capture camera that lives in the process: what a driver would keep for one open device. */
#ifndef FAKECAM_CAMERA_H
#define FAKECAM_CAMERA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { MODES = 32, BUFFERS = 8, TEXT = 64, PATH = 512 };

struct mode {
  uint32_t fourcc;
  unsigned width, height, fps;
};

/* What the file `state` says, read anew at every step, so that a test can change it at any moment. */
enum behaviour { OK, STALL, UNPLUG, BUSY, DENY, SLOW, BLACK };

struct camera {
  bool used;
  int fd;
  unsigned number;

  struct mode modes[MODES];
  unsigned mode_count;
  struct mode mode;

  unsigned char *memory; /* all buffers, one after the other; shared with the program through `memory_fd` */
  int memory_fd;
  size_t buffer_size;
  unsigned buffer_count;
  unsigned queue[BUFFERS];
  unsigned queued;

  int lock_fd; /* held while buffers exist: one owner across processes */
  bool streaming;
  uint32_t sequence;
  int64_t started, next_frame; /* CLOCK_MONOTONIC, in nanoseconds */

  unsigned char *film; /* the frames of `source.FOURCC.WIDTHxHEIGHT` */
  size_t film_size;
  size_t *film_starts; /* one more than there are frames */
  unsigned film_frames;
};

/* Whether cameras are faked at all: FAKECAM_DIR is set. */
bool fakecam_on(void);
/* The path of a camera's file. */
void fakecam_path(char path[PATH], unsigned number, const char *file);
/* Whether there is such a camera, plugged in. */
bool fakecam_present(unsigned number);
/* The first line of a camera's file, or `otherwise`. */
void fakecam_text(char text[TEXT], unsigned number, const char *file, const char *otherwise);
/* What the camera shall do now; `slow` gets the milliseconds of SLOW. */
enum behaviour camera_behaviour(unsigned number, int *slow);

/* All of these answer as system calls do: -1 and errno. The caller holds the lock. */
int camera_open(unsigned number, int flags);
struct camera *camera_of(int fd);
void camera_close(struct camera *camera);
int camera_ioctl(struct camera *camera, unsigned long request, void *argument);

/* Whether it offers the mode and has no room on its bus for it: a line of `refuse`. */
bool camera_refuses(const struct camera *camera);
/* Whether it offers the mode and hangs in it: a line of `hang`. */
bool camera_hangs(const struct camera *camera);
size_t camera_frame_size(const struct mode *mode);
/* Whether a frame can be fetched: 1 now, 0 not within `wait` nanoseconds, -1 never again. */
int camera_ready(struct camera *camera, int64_t *wait);
/* Sets frames in motion. */
void camera_start(struct camera *camera);
/* Writes the next frame into a buffer, and tells its length, number and time. */
size_t camera_fetch(struct camera *camera, unsigned char *buffer, uint32_t *sequence, int64_t *time);

/* The functions of libc behind those that are replaced. */
int real_open(const char *path, int flags, mode_t mode);
int real_close(int fd);
void *real_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset);

#endif
