/* Stands before ALSA: sound cards that do what a test says.
 *
 * A program started with SOUNDFAULT=DIR LD_PRELOAD=soundfault.so finds every microphone as the file DIR/capture says, and every
 * speaker as DIR/playback says, for as long as that is there. All else goes through.
 *   busy          another program holds it, in a driver's words
 *   denied        the system withholds it
 *   gone          it was pulled out
 *   refuse RATE   it offers this rate, and does not take it when it comes to it */
#define _GNU_SOURCE
#include <alsa/asoundlib.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

enum { TEXT = 64 };

/* What the file says; nothing where there is none. */
static void says(snd_pcm_stream_t stream, char text[TEXT]) {
  char path[512];
  const char *folder = getenv("SOUNDFAULT");
  text[0] = 0;
  if (!folder) return;
  snprintf(path, sizeof path, "%s/%s", folder, stream == SND_PCM_STREAM_CAPTURE ? "capture" : "playback");
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t length = read(fd, text, TEXT - 1);
  close(fd);
  text[length > 0 ? length : 0] = 0;
}

int snd_pcm_open(snd_pcm_t **pcm, const char *name, snd_pcm_stream_t stream, int mode) {
  static const struct {
    const char *word;
    int error;
  } faults[] = {{"busy", EBUSY}, {"denied", EACCES}, {"gone", ENODEV}};
  char text[TEXT];
  says(stream, text);
  for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++)
    if (strncmp(text, faults[i].word, strlen(faults[i].word)) == 0) return -faults[i].error;
  __typeof__(&snd_pcm_open) real = REAL(snd_pcm_open);
  return real ? real(pcm, name, stream, mode) : -ENOSYS;
}

int snd_pcm_hw_params(snd_pcm_t *pcm, snd_pcm_hw_params_t *params) {
  char text[TEXT];
  unsigned refused, rate = 0;
  says(REAL(snd_pcm_stream)(pcm), text);
  if (sscanf(text, "refuse %u", &refused) == 1 && REAL(snd_pcm_hw_params_get_rate)(params, &rate, NULL) == 0 &&
      rate == refused)
    return -EINVAL;
  return REAL(snd_pcm_hw_params)(pcm, params);
}
