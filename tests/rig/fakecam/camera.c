/* Opening, closing, and the frames. */
#define _GNU_SOURCE
#include "camera.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CAMERAS = 16 };
static struct camera cameras[CAMERAS];

static const int64_t SECOND = 1000000000, SENSOR_START = 100000000, LOOK_AGAIN = 5000000, HANG = 10000000000;

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * SECOND + time.tv_nsec;
}

bool fakecam_on(void) { return getenv("FAKECAM_DIR") != NULL; }

void fakecam_path(char path[PATH], unsigned number, const char *file) {
  snprintf(path, PATH, "%s/%u/%s", getenv("FAKECAM_DIR"), number, file);
}

static int open_file(unsigned number, const char *file) {
  char path[PATH];
  fakecam_path(path, number, file);
  return real_open(path, O_RDONLY | O_CLOEXEC, 0);
}

/* The whole of a short file, as text. */
static bool read_file(unsigned number, const char *file, char *text, size_t size) {
  int fd = open_file(number, file);
  if (fd < 0) return false;
  ssize_t length = read(fd, text, size - 1);
  real_close(fd);
  text[length > 0 ? length : 0] = 0;
  return true;
}

void fakecam_text(char text[TEXT], unsigned number, const char *file, const char *otherwise) {
  if (!read_file(number, file, text, TEXT)) snprintf(text, TEXT, "%s", otherwise);
  text[strcspn(text, "\n")] = 0;
}

bool fakecam_present(unsigned number) {
  char path[PATH];
  int slow;
  fakecam_path(path, number, "modes");
  return access(path, R_OK) == 0 && camera_behaviour(number, &slow) != UNPLUG;
}

enum behaviour camera_behaviour(unsigned number, int *slow) {
  static const char *const names[] = {
      [OK] = "ok", [STALL] = "stall", [UNPLUG] = "unplug", [BUSY] = "busy", [DENY] = "deny", [BLACK] = "black"};
  char text[TEXT];
  fakecam_text(text, number, "state", "ok");
  if (sscanf(text, "slow %d", slow) == 1 && *slow > 0) return SLOW;
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    if (names[i] && strcmp(text, names[i]) == 0) return i;
  return OK;
}

/* The modes in a file, a line each. */
static unsigned read_modes(unsigned number, const char *file, struct mode modes[MODES]) {
  char text[4096];
  unsigned count = 0;
  if (!read_file(number, file, text, sizeof text)) return 0;
  for (char *rest, *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
    struct mode mode;
    char code[5];
    if (count == MODES) break;
    if (sscanf(line, "%4s %u %u %u", code, &mode.width, &mode.height, &mode.fps) != 4 || !mode.fps) continue;
    mode.fourcc = v4l2_fourcc(code[0], code[1], code[2], code[3]);
    modes[count++] = mode;
  }
  return count;
}

/* Whether the mode in use is a line of a file. */
static bool listed(const struct camera *camera, const char *file) {
  struct mode modes[MODES];
  unsigned count = read_modes(camera->number, file, modes);
  for (unsigned i = 0; i < count; i++)
    if (modes[i].fourcc == camera->mode.fourcc && modes[i].width == camera->mode.width &&
        modes[i].height == camera->mode.height && modes[i].fps == camera->mode.fps)
      return true;
  return false;
}

bool camera_refuses(const struct camera *camera) {
  return listed(camera, "refuse");
}

bool camera_hangs(const struct camera *camera) {
  return listed(camera, "hang");
}

int camera_open(unsigned number, int flags) {
  int slow;
  enum behaviour behaviour = camera_behaviour(number, &slow);
  if (!fakecam_present(number) || behaviour == DENY) {
    errno = behaviour == DENY ? EACCES : ENOENT;
    return -1;
  }
  for (struct camera *camera = cameras; camera < cameras + CAMERAS; camera++) {
    if (camera->used) continue;
    *camera = (struct camera){.number = number, .memory_fd = -1, .lock_fd = -1};
    camera->mode_count = read_modes(number, "modes", camera->modes);
    if (!camera->mode_count) break;
    camera->mode = camera->modes[0];
    /* Something that poll and close accept. */
    camera->fd = eventfd(0, EFD_CLOEXEC | (flags & O_NONBLOCK ? EFD_NONBLOCK : 0));
    camera->used = camera->fd >= 0;
    return camera->fd;
  }
  errno = EMFILE;
  return -1;
}

struct camera *camera_of(int fd) {
  for (struct camera *camera = cameras; fd >= 0 && camera < cameras + CAMERAS; camera++)
    if (camera->used && camera->fd == fd) return camera;
  return NULL;
}

static void unload(struct camera *camera) {
  if (camera->film) munmap(camera->film, camera->film_size);
  free(camera->film_starts);
  camera->film = NULL;
  camera->film_starts = NULL;
  camera->film_frames = 0;
}

void camera_close(struct camera *camera) {
  unload(camera);
  if (camera->memory) munmap(camera->memory, camera->buffer_size * camera->buffer_count);
  if (camera->memory_fd >= 0) real_close(camera->memory_fd);
  if (camera->lock_fd >= 0) real_close(camera->lock_fd);
  camera->used = false;
}

size_t camera_frame_size(const struct mode *mode) {
  size_t pixels = (size_t)mode->width * mode->height;
  switch (mode->fourcc) {
  case V4L2_PIX_FMT_NV12: return pixels * 3 / 2;
  case V4L2_PIX_FMT_MJPEG: return pixels;
  case V4L2_PIX_FMT_RGB24: return pixels * 3;
  default: return pixels * 2;
  }
}

/* Finds the frames of the film: raw ones have one length, a JPEG begins with FF D8 FF. */
static void load(struct camera *camera) {
  unload(camera);
  char file[TEXT];
  const char *code = (const char *)&camera->mode.fourcc;
  snprintf(file, sizeof file, "source.%.4s.%ux%u", code, camera->mode.width, camera->mode.height);
  int fd = open_file(camera->number, file);
  if (fd < 0) return;
  struct stat status;
  if (fstat(fd, &status) == 0 && status.st_size > 0) {
    size_t size = status.st_size, frame = camera_frame_size(&camera->mode), count = 0;
    unsigned char *film = real_mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    bool jpeg = camera->mode.fourcc == V4L2_PIX_FMT_MJPEG;
    size_t *starts = calloc((jpeg ? size / 3 : size / frame) + 2, sizeof *starts);
    if (film != MAP_FAILED && starts) {
      for (size_t at = 0; jpeg ? at + 3 <= size : at + frame <= size; at += jpeg ? 1 : frame)
        if (!jpeg || memcmp(film + at, "\xff\xd8\xff", 3) == 0) starts[count++] = at;
      starts[count] = jpeg ? size : count * frame;
      camera->film = film, camera->film_size = size, camera->film_starts = starts, camera->film_frames = count;
    }
  }
  real_close(fd);
}

/* Eight bars, from white to black, that move by two pixels a frame; BT.601, limited range. */
static void draw(const struct mode *mode, unsigned char *buffer, uint32_t sequence, bool black) {
  static const unsigned char bars[8][3] = {{235, 128, 128}, {210, 16, 146}, {170, 166, 16}, {145, 54, 34},
                                           {106, 202, 222}, {81, 90, 240},  {41, 240, 110}, {16, 128, 128}};
  bool planar = mode->fourcc == V4L2_PIX_FMT_NV12;
  size_t width = mode->width, pixels = width * mode->height;
  if (mode->fourcc != V4L2_PIX_FMT_YUYV && !planar) return;
  for (size_t y = 0; y < mode->height; y++)
    for (size_t x = 0; x < width; x++) {
      const unsigned char *bar = bars[black ? 7 : (x + 2 * sequence) % width * 8 / width];
      unsigned char colour = bar[1 + (x & 1)];
      buffer[(y * width + x) * (planar ? 1 : 2)] = bar[0];
      if (planar)
        buffer[pixels + y / 2 * width + x] = colour;
      else
        buffer[(y * width + x) * 2 + 1] = colour;
    }
}

void camera_start(struct camera *camera) {
  load(camera);
  camera->streaming = true;
  camera->sequence = 0;
  camera->started = now();
  camera->next_frame = camera->started + SENSOR_START;
}

int camera_ready(struct camera *camera, int64_t *wait) {
  int slow;
  enum behaviour behaviour = camera_behaviour(camera->number, &slow);
  if (behaviour == UNPLUG) return -1;
  *wait = LOOK_AGAIN;
  if (camera->streaming && camera_hangs(camera)) return now() - camera->started < HANG ? 0 : -1;
  if (behaviour == STALL || !camera->streaming || !camera->queued) {
    if (behaviour == STALL) camera->next_frame = now();
    return 0;
  }
  int64_t left = camera->next_frame - now();
  if (left > 0 && left < *wait) *wait = left;
  return left <= 0;
}

size_t camera_fetch(struct camera *camera, unsigned char *buffer, uint32_t *sequence, int64_t *time) {
  int slow = 0;
  enum behaviour behaviour = camera_behaviour(camera->number, &slow);
  int64_t period = behaviour == SLOW ? slow * (SECOND / 1000) : SECOND / camera->mode.fps;
  /* To a reader that is late, frames are lost, as from a driver without a free buffer. */
  int64_t missed = (now() - camera->next_frame) / period;
  if (missed > 0) camera->sequence += missed, camera->next_frame += missed * period;
  *sequence = camera->sequence++;
  *time = camera->next_frame;
  camera->next_frame += period;
  if (camera->film_frames && behaviour != BLACK) {
    size_t *start = &camera->film_starts[*sequence % camera->film_frames], length = start[1] - start[0];
    if (length > camera->buffer_size) length = camera->buffer_size;
    memcpy(buffer, camera->film + start[0], length);
    return length;
  }
  draw(&camera->mode, buffer, *sequence, behaviour == BLACK);
  return camera->mode.fourcc == V4L2_PIX_FMT_MJPEG ? 0 : camera_frame_size(&camera->mode);
}
