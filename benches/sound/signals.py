"""Sound as arrays: files, rates, levels, and where one sound lies in another."""

import subprocess
import wave

import numpy as np

RATE = 48_000
# What PESQ in its wide-band mode listens to (ITU-T P.862.2).
NARROW = 16_000


def read(path):
    """Mono samples at 48 kHz, full scale at 1; of several channels the first."""
    with wave.open(path) as file:
        assert (file.getframerate(), file.getsampwidth()) == (RATE, 2), f"{path} has not 16 bits at 48 kHz"
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return samples[:: file.getnchannels()] / 32768.0


def write(path, samples):
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.clip(np.round(samples * 32767), -32768, 32767).astype("<i2").tobytes())


def _low_pass(gain):
    """Up to 8 kHz at a rate of 48 kHz."""
    n = np.arange(-144, 145)
    return gain * np.sinc(n / 3 * 0.98) / 3 * 0.98 * np.kaiser(n.size, 8)


def narrow(samples):
    """From 48 kHz to 16 kHz."""
    return np.convolve(samples, _low_pass(1), "same")[::3]


def widen(samples):
    """From 16 kHz to 48 kHz."""
    spread = np.zeros(3 * samples.size)
    spread[::3] = samples
    return np.convolve(spread, _low_pass(3), "same")


def level(samples):
    """Root mean square in dBFS; never below the floor of 16 bits."""
    return 10 * np.log10(max(float(np.mean(np.square(samples))), 2.0**-32)) if samples.size else -96.3


def speech_level(samples):
    """The same of what is less than 40 dB below the loudest 20 ms."""
    frames = samples[: samples.size // 960 * 960].reshape(-1, 960)
    power = np.mean(np.square(frames), axis=1)
    return 10 * np.log10(np.mean(power[power > power.max() * 1e-4]))


def alikeness(needle, haystack):
    """How alike the needle is to each place of the haystack, −1 to 1."""
    size = 1 << (needle.size + haystack.size).bit_length()
    product = np.fft.irfft(np.fft.rfft(haystack, size) * np.conj(np.fft.rfft(needle, size)), size)
    sums = np.concatenate(([0.0], np.cumsum(np.square(haystack))))
    places = haystack.size - needle.size + 1
    power = sums[needle.size :] - sums[:places]
    return product[:places] / np.sqrt(np.sum(np.square(needle)) * np.maximum(power, 1e-6))


def spoken(voice, text, path):
    """A voice of the synthesizer flite at its 16 kHz, without the silence around it."""
    subprocess.run(["flite", "-voice", voice, "-t", text, "-o", path], check=True)
    with wave.open(path) as file:
        assert file.getframerate() == NARROW, f"the voice {voice} has {file.getframerate()} Hz"
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / 32768.0
    loud = np.flatnonzero(np.abs(samples) > np.abs(samples).max() / 100)
    return samples[loud[0] : loud[-1]]
