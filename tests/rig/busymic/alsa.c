/* Stands before ALSA: a microphone that another program holds.
 *
 * A program started with BUSYMIC=FILE LD_PRELOAD=busymic.so finds every microphone busy, as a card's driver says it, for as
 * long as FILE is there. All else goes through. */
#define _GNU_SOURCE
#include <alsa/asoundlib.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int snd_pcm_open(snd_pcm_t **pcm, const char *name, snd_pcm_stream_t stream, int mode) {
  const char *file = getenv("BUSYMIC");
  if (stream == SND_PCM_STREAM_CAPTURE && file && access(file, F_OK) == 0) return -EBUSY;
  __typeof__(&snd_pcm_open) real = (__typeof__(&snd_pcm_open))dlsym(RTLD_NEXT, "snd_pcm_open");
  return real ? real(pcm, name, stream, mode) : -ENOSYS;
}
