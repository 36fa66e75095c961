/* The V4L2 calls that a capture program makes, with the answers of a USB webcam's driver. */
#define _GNU_SOURCE
#include "camera.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

static int fail(int error) {
  errno = error;
  return -1;
}

static int capability(struct camera *camera, struct v4l2_capability *answer) {
  char name[TEXT];
  fakecam_text(name, camera->number, "name", "Fake camera");
  *answer = (struct v4l2_capability){.version = 0x60100, .device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING};
  answer->capabilities = answer->device_caps | V4L2_CAP_DEVICE_CAPS;
  strcpy((char *)answer->driver, "fakecam");
  snprintf((char *)answer->card, sizeof answer->card, "%.31s", name);
  snprintf((char *)answer->bus_info, sizeof answer->bus_info, "platform:fakecam-%u", camera->number);
  return 0;
}

/* The n-th mode that differs from all before it in what `same` compares. */
static const struct mode *distinct(struct camera *camera, unsigned n, const struct mode *filter,
                                   bool (*same)(const struct mode *, const struct mode *),
                                   bool (*matches)(const struct mode *, const struct mode *)) {
  for (unsigned i = 0; i < camera->mode_count; i++) {
    const struct mode *mode = &camera->modes[i];
    bool known = !matches(mode, filter);
    for (unsigned j = 0; j < i && !known; j++)
      known = matches(&camera->modes[j], filter) && same(mode, &camera->modes[j]);
    if (!known && n-- == 0) return mode;
  }
  return NULL;
}

static bool any(const struct mode *a, const struct mode *b) { return a || b; }
static bool same_format(const struct mode *a, const struct mode *b) { return a->fourcc == b->fourcc; }
static bool same_size(const struct mode *a, const struct mode *b) {
  return same_format(a, b) && a->width == b->width && a->height == b->height;
}
static bool same_rate(const struct mode *a, const struct mode *b) { return same_size(a, b) && a->fps == b->fps; }

static int enumerate_format(struct camera *camera, struct v4l2_fmtdesc *answer) {
  const struct mode *mode = distinct(camera, answer->index, camera->modes, same_format, any);
  if (answer->type != V4L2_BUF_TYPE_VIDEO_CAPTURE || !mode) return fail(EINVAL);
  answer->pixelformat = mode->fourcc;
  answer->flags = mode->fourcc == V4L2_PIX_FMT_MJPEG ? V4L2_FMT_FLAG_COMPRESSED : 0;
  snprintf((char *)answer->description, sizeof answer->description, "%.4s", (const char *)&mode->fourcc);
  return 0;
}

static int enumerate_size(struct camera *camera, struct v4l2_frmsizeenum *answer) {
  struct mode filter = {.fourcc = answer->pixel_format};
  const struct mode *mode = distinct(camera, answer->index, &filter, same_size, same_format);
  if (!mode) return fail(EINVAL);
  answer->type = V4L2_FRMSIZE_TYPE_DISCRETE;
  answer->discrete.width = mode->width;
  answer->discrete.height = mode->height;
  return 0;
}

static int enumerate_interval(struct camera *camera, struct v4l2_frmivalenum *answer) {
  struct mode filter = {.fourcc = answer->pixel_format, .width = answer->width, .height = answer->height};
  const struct mode *mode = distinct(camera, answer->index, &filter, same_rate, same_size);
  if (!mode) return fail(EINVAL);
  answer->type = V4L2_FRMIVAL_TYPE_DISCRETE;
  answer->discrete = (struct v4l2_fract){1, mode->fps};
  return 0;
}

static unsigned long distance(const struct mode *mode, const struct v4l2_pix_format *wanted) {
  unsigned long sides = labs((long)mode->width - wanted->width) + labs((long)mode->height - wanted->height);
  return sides + (mode->fourcc == wanted->pixelformat ? 0 : 1000000);
}

static void describe(const struct mode *mode, struct v4l2_pix_format *answer) {
  *answer = (struct v4l2_pix_format){.width = mode->width, .height = mode->height, .pixelformat = mode->fourcc};
  answer->field = V4L2_FIELD_NONE;
  answer->colorspace = V4L2_COLORSPACE_SRGB;
  answer->sizeimage = camera_frame_size(mode);
  switch (mode->fourcc) {
  case V4L2_PIX_FMT_MJPEG: break;
  case V4L2_PIX_FMT_NV12: answer->bytesperline = mode->width; break;
  default: answer->bytesperline = answer->sizeimage / mode->height;
  }
}

/* A driver takes the nearest mode and says which; nobody may change it while buffers exist. */
static int format(struct camera *camera, unsigned long request, struct v4l2_format *answer, enum behaviour behaviour) {
  if (answer->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return fail(EINVAL);
  if (request == VIDIOC_S_FMT && (camera->buffer_count || behaviour == BUSY)) return fail(EBUSY);
  const struct mode *best = &camera->mode;
  if (request != VIDIOC_G_FMT) {
    best = camera->modes;
    for (unsigned i = 1; i < camera->mode_count; i++)
      if (distance(&camera->modes[i], &answer->fmt.pix) < distance(best, &answer->fmt.pix)) best = &camera->modes[i];
  }
  if (request == VIDIOC_S_FMT) camera->mode = *best;
  describe(best, &answer->fmt.pix);
  return 0;
}

static int rate(struct camera *camera, unsigned long request, struct v4l2_streamparm *answer) {
  if (answer->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return fail(EINVAL);
  struct v4l2_fract wanted = answer->parm.capture.timeperframe;
  if (request == VIDIOC_S_PARM && wanted.numerator)
    for (unsigned i = 0; i < camera->mode_count; i++)
      if (same_size(&camera->modes[i], &camera->mode) && camera->modes[i].fps == wanted.denominator / wanted.numerator)
        camera->mode = camera->modes[i];
  answer->parm.capture = (struct v4l2_captureparm){.capability = V4L2_CAP_TIMEPERFRAME, .readbuffers = 4};
  answer->parm.capture.timeperframe = (struct v4l2_fract){1, camera->mode.fps};
  return 0;
}

static bool lock(struct camera *camera) {
  char path[PATH];
  fakecam_path(path, camera->number, "modes");
  if (camera->lock_fd >= 0) return true;
  camera->lock_fd = real_open(path, O_RDONLY | O_CLOEXEC, 0);
  if (flock(camera->lock_fd, LOCK_EX | LOCK_NB) == 0) return true;
  real_close(camera->lock_fd);
  camera->lock_fd = -1;
  return false;
}

static void release(struct camera *camera) {
  if (camera->memory) munmap(camera->memory, camera->buffer_size * camera->buffer_count);
  if (camera->memory_fd >= 0) real_close(camera->memory_fd);
  if (camera->lock_fd >= 0) real_close(camera->lock_fd);
  camera->memory = NULL;
  camera->memory_fd = camera->lock_fd = -1;
  camera->buffer_count = camera->queued = 0;
}

static int request_buffers(struct camera *camera, struct v4l2_requestbuffers *answer, enum behaviour behaviour) {
  if (answer->memory != V4L2_MEMORY_MMAP) return fail(EINVAL);
  if (camera->streaming || (answer->count && behaviour == BUSY)) return fail(EBUSY);
  release(camera);
  answer->capabilities = V4L2_BUF_CAP_SUPPORTS_MMAP;
  if (!answer->count) return 0;
  if (!lock(camera)) return fail(EBUSY);
  if (answer->count > BUFFERS) answer->count = BUFFERS;
  size_t page = 4096, size = (camera_frame_size(&camera->mode) + page - 1) / page * page;
  camera->memory_fd = memfd_create("fakecam", MFD_CLOEXEC);
  if (ftruncate(camera->memory_fd, size * answer->count)) return -1;
  void *memory =
      real_mmap(NULL, size * answer->count, PROT_READ | PROT_WRITE, MAP_SHARED, camera->memory_fd, 0);
  if (memory == MAP_FAILED) return -1;
  camera->memory = memory;
  camera->buffer_size = size;
  camera->buffer_count = answer->count;
  return 0;
}

static int query_buffer(struct camera *camera, struct v4l2_buffer *answer) {
  if (answer->index >= camera->buffer_count) return fail(EINVAL);
  answer->length = camera_frame_size(&camera->mode);
  answer->m.offset = answer->index * camera->buffer_size;
  answer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
  return 0;
}

static int queue_buffer(struct camera *camera, const struct v4l2_buffer *buffer) {
  if (buffer->index >= camera->buffer_count || camera->queued == BUFFERS) return fail(EINVAL);
  camera->queue[camera->queued++] = buffer->index;
  return 0;
}

static int dequeue_buffer(struct camera *camera, struct v4l2_buffer *answer) {
  int64_t wait, time;
  int ready = camera_ready(camera, &wait);
  if (ready < 0) return fail(camera_hangs(camera) ? EIO : ENODEV);
  if (!ready) return fail(EAGAIN);
  unsigned index = camera->queue[0];
  memmove(camera->queue, camera->queue + 1, --camera->queued * sizeof *camera->queue);
  answer->index = index;
  answer->bytesused = camera_fetch(camera, camera->memory + index * camera->buffer_size, &answer->sequence, &time);
  answer->length = camera_frame_size(&camera->mode);
  answer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
  answer->field = V4L2_FIELD_NONE;
  answer->timestamp.tv_sec = time / 1000000000;
  answer->timestamp.tv_usec = time % 1000000000 / 1000;
  return 0;
}

static int input(struct v4l2_input *answer) {
  if (answer->index) return fail(EINVAL);
  *answer = (struct v4l2_input){.type = V4L2_INPUT_TYPE_CAMERA};
  strcpy((char *)answer->name, "Camera 1");
  return 0;
}

int camera_ioctl(struct camera *camera, unsigned long request, void *argument) {
  int slow;
  enum behaviour behaviour = camera_behaviour(camera->number, &slow);
  if (behaviour == UNPLUG) return fail(ENODEV);
  switch (request) {
  case VIDIOC_QUERYCAP: return capability(camera, argument);
  case VIDIOC_ENUM_FMT: return enumerate_format(camera, argument);
  case VIDIOC_ENUM_FRAMESIZES: return enumerate_size(camera, argument);
  case VIDIOC_ENUM_FRAMEINTERVALS: return enumerate_interval(camera, argument);
  case VIDIOC_G_FMT:
  case VIDIOC_S_FMT:
  case VIDIOC_TRY_FMT: return format(camera, request, argument, behaviour);
  case VIDIOC_G_PARM:
  case VIDIOC_S_PARM: return rate(camera, request, argument);
  case VIDIOC_REQBUFS: return request_buffers(camera, argument, behaviour);
  case VIDIOC_QUERYBUF: return query_buffer(camera, argument);
  case VIDIOC_QBUF: return queue_buffer(camera, argument);
  case VIDIOC_DQBUF: return dequeue_buffer(camera, argument);
  case VIDIOC_STREAMON:
    if (behaviour == BUSY) return fail(EBUSY);
    if (camera_refuses(camera)) return fail(ENOSPC);
    camera_start(camera);
    return 0;
  case VIDIOC_STREAMOFF:
    camera->streaming = false;
    camera->queued = 0;
    return 0;
  case VIDIOC_ENUMINPUT: return input(argument);
  case VIDIOC_G_INPUT: *(int *)argument = 0; return 0;
  case VIDIOC_S_INPUT: return 0;
  case VIDIOC_G_PRIORITY: *(int *)argument = V4L2_PRIORITY_DEFAULT; return 0;
  case VIDIOC_QUERYCTRL:
  case VIDIOC_QUERY_EXT_CTRL: return fail(EINVAL);
  default: return fail(ENOTTY);
  }
}
