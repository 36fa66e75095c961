/* Stands before libc: what concerns cameras goes to the fake ones, all else goes through.
 *
 * A program started with FAKECAM_DIR=DIR LD_PRELOAD=fakecam.so sees a camera /dev/video<N> for each folder DIR/<N>:
 *   modes   a mode a line, such as "YUYV 640 480 30": format, width, height, frames a second
 *   name    its name
 *   refuse  those of its modes in which it gives no pictures when it comes to it, as where a bus has no room
 *   hang    those of its modes in which it gives no pictures, and says so after ten seconds
 *   state   ok | stall | unplug | busy | deny | slow MILLISECONDS | black, read anew all the time
 *   source.<FORMAT>.<WIDTH>x<HEIGHT>   what it shows: raw frames, or JPEGs, one after the other; else moving bars
 * The machine's own cameras are out of sight meanwhile. */
#define _GNU_SOURCE
#include "camera.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Looked up at first use: other constructors may run before ours. */
#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

int real_open(const char *path, int flags, mode_t mode) {
  REAL(open);
  return real(path, flags, mode);
}

int real_close(int fd) {
  REAL(close);
  return real(fd);
}

void *real_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
  REAL(mmap);
  return real(address, length, protection, flags, fd, offset);
}

static int open_any(const char *path, int flags, mode_t mode) {
  unsigned number;
  int end = 0;
  char moved[PATH];
  if (!path || !fakecam_on()) return real_open(path, flags, mode);
  if (sscanf(path, "/dev/video%u%n", &number, &end) == 1 && !path[end]) {
    pthread_mutex_lock(&mutex);
    int fd = camera_open(number, flags);
    pthread_mutex_unlock(&mutex);
    return fd;
  }
  if (sscanf(path, "/sys/class/video4linux/video%u/%n", &number, &end) == 1 && end) {
    fakecam_path(moved, number, path + end);
    path = moved;
  }
  return real_open(path, flags, mode);
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  return open_any(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  return open_any(path, flags | O_LARGEFILE, mode);
}

int close(int fd) {
  pthread_mutex_lock(&mutex);
  struct camera *camera = camera_of(fd);
  if (camera) camera_close(camera);
  pthread_mutex_unlock(&mutex);
  return real_close(fd);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
  struct camera *camera = fd >= 0 ? camera_of(fd) : NULL;
  return real_mmap(address, length, protection, flags, camera ? camera->memory_fd : fd, offset);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset) {
  return mmap(address, length, protection, flags, fd, offset);
}

static int ioctl_any(int fd, unsigned long request, void *argument, bool *ours) {
  pthread_mutex_lock(&mutex);
  struct camera *camera = camera_of(fd);
  /* Requests are 32 bits wide; some callers extend their sign. */
  int result = camera ? camera_ioctl(camera, (uint32_t)request, argument) : -1;
  *ours = camera;
  pthread_mutex_unlock(&mutex);
  return result;
}

long syscall(long number, ...) {
  REAL(syscall);
  long a[6];
  bool ours = false;
  va_list rest;
  va_start(rest, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
  va_end(rest);
  long result = number == SYS_ioctl ? ioctl_any((int)a[0], a[1], (void *)a[2], &ours) : 0;
  return ours ? result : real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  return (int)syscall(SYS_ioctl, (long)fd, request, argument, 0L, 0L, 0L);
}

static int camera_poll(struct pollfd *fds, int64_t timeout) {
  struct timespec start, time;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (;;) {
    int64_t wait = 0;
    pthread_mutex_lock(&mutex);
    struct camera *camera = camera_of(fds->fd);
    int ready = camera ? camera_ready(camera, &wait) : -1;
    pthread_mutex_unlock(&mutex);
    fds->revents = ready < 0 ? POLLERR | POLLHUP : ready ? POLLIN : 0;
    if (ready) return 1;
    clock_gettime(CLOCK_MONOTONIC, &time);
    int64_t gone = (time.tv_sec - start.tv_sec) * 1000 + (time.tv_nsec - start.tv_nsec) / 1000000;
    if (timeout >= 0 && gone >= timeout) return 0;
    nanosleep(&(struct timespec){.tv_nsec = wait}, NULL);
  }
}

int poll(struct pollfd *fds, nfds_t count, int timeout) {
  REAL(poll);
  return count == 1 && camera_of(fds->fd) ? camera_poll(fds, timeout) : real(fds, count, timeout);
}

/* Folders being read that are /dev: after the real entries come the fake cameras. */
enum { FOLDERS = 8, NUMBERS = 16 };
static struct {
  DIR *folder;
  unsigned next;
} folders[FOLDERS];

DIR *opendir(const char *path) {
  REAL(opendir);
  DIR *folder = real(path);
  if (!folder || !fakecam_on() || (strcmp(path, "/dev") && strcmp(path, "/dev/"))) return folder;
  pthread_mutex_lock(&mutex);
  for (int i = 0; i < FOLDERS; i++)
    if (!folders[i].folder) {
      folders[i].folder = folder;
      folders[i].next = 0;
      break;
    }
  pthread_mutex_unlock(&mutex);
  return folder;
}

int closedir(DIR *folder) {
  REAL(closedir);
  pthread_mutex_lock(&mutex);
  for (int i = 0; i < FOLDERS; i++)
    if (folders[i].folder == folder) folders[i].folder = NULL;
  pthread_mutex_unlock(&mutex);
  return real(folder);
}

static struct dirent64 *next_camera(int folder) {
  static __thread struct dirent64 entry;
  /* An end is told from an error by errno alone, and looking for cameras that are not there sets it. */
  int before = errno;
  while (folders[folder].next < NUMBERS) {
    unsigned number = folders[folder].next++;
    if (!fakecam_present(number)) continue;
    entry = (struct dirent64){.d_ino = 1000 + number, .d_type = DT_CHR, .d_reclen = sizeof entry};
    snprintf(entry.d_name, sizeof entry.d_name, "video%u", number);
    errno = before;
    return &entry;
  }
  errno = before;
  return NULL;
}

struct dirent64 *readdir64(DIR *folder) {
  REAL(readdir64);
  int ours = -1;
  for (int i = 0; i < FOLDERS; i++)
    if (folders[i].folder == folder) ours = i;
  struct dirent64 *entry = real(folder);
  while (ours >= 0 && entry && strncmp(entry->d_name, "video", 5) == 0) entry = real(folder);
  return ours >= 0 && !entry ? next_camera(ours) : entry;
}

struct dirent *readdir(DIR *folder) {
  /* One layout on 64-bit systems. */
  return (struct dirent *)readdir64(folder);
}
