"""Makes the sounds that are sent: speech.py FOLDER writes them, and says in speech.json what lies where.

speech.wav   a stretch that nobody scores, in which both ends get used to the path, and then six that are scored
far.wav      a voice that speaks all the time, to be heard as an echo
near.wav     silence, and then another voice, which speaks while the first one does
chirps.wav   short sweeps
"""

import json
import os
import sys

import numpy as np

from signals import RATE, speech_level, spoken, widen, write

# A woman's and a man's.
VOICES = ("slt", "rms")
# As it usually is in telephony.
LEVEL_DBFS = -26
STRETCH_S = 8.0
PAUSE_S = 0.5
BETWEEN_SENTENCES_S = 0.35
BEFORE_S = 0.2
# The canceller may learn for so long; then it is measured while one voice speaks, then while both do.
LEARN_S, ALONE_S = 20.0, 17.0
CHIRPS = 30
# No multiple of the 10 and 20 ms in which sound is cut on its way.
CHIRP_EVERY_S = 0.733
CHIRP_S = 0.03
CHIRP_FIRST_S = 0.5

TEXTS = (
    ("slt", "The ferry leaves the harbour at seven. Please bring a warm coat, because the wind is strong. We eat on board."),
    ("slt", "My neighbour keeps bees in her garden. Each spring she gives us a jar of honey. It tastes of lime trees."),
    ("rms", "Take the second street on the left. Behind the church there is a yellow house. Ring the bell twice and wait."),
    ("slt", "Could you send the figures before Thursday? I have to show them to the board. The last page is missing."),
    ("rms", "He fixed the old clock with a paper clip. Now it strikes thirteen at noon. Nobody minds."),
    ("slt", "Shall we meet at the usual place? Tell me whether five is too early. I shall bring the photographs."),
    ("rms", "The train stood for an hour outside the tunnel. Somebody played the violin. We wished to stay longer."),
)


def voice(name, text, folder):
    """One stretch: sentences with short pauses, at the usual level."""
    parts = [np.zeros(int(BEFORE_S * RATE))]
    for sentence in text.replace("?", "?|").replace(".", ".|").split("|"):
        if sentence.strip():
            parts.append(widen(spoken(name, sentence.strip(), os.path.join(folder, "sentence.wav"))))
            parts.append(np.zeros(int(BETWEEN_SENTENCES_S * RATE)))
    samples = np.concatenate(parts[:-1])
    assert samples.size <= STRETCH_S * RATE, f"{samples.size / RATE:.1f} s is too long: {text}"
    samples *= 10 ** ((LEVEL_DBFS - speech_level(samples)) / 20)
    return np.concatenate((samples, np.zeros(int(STRETCH_S * RATE) - samples.size)))


def chirp():
    """From 500 Hz to 3 kHz."""
    t = np.arange(int(CHIRP_S * RATE)) / RATE
    return 0.4 * np.hanning(t.size) * np.sin(2 * np.pi * (500 * t + 2500 / CHIRP_S / 2 * t * t))


def main(folder):
    stretches = [(name, voice(name, text, folder)) for name, text in TEXTS]
    pause = np.zeros(int(PAUSE_S * RATE))
    each = STRETCH_S + PAUSE_S
    write(os.path.join(folder, "speech.wav"), np.concatenate([part for _, samples in stretches for part in (samples, pause)]))
    women, men = ([part for name, samples in stretches if name == who for part in (samples, pause)] for who in VOICES)
    near_at = LEARN_S + ALONE_S
    near = np.concatenate([np.zeros(int(near_at * RATE)), *men])
    far = np.concatenate(women)
    far = np.tile(far, -(-near.size // far.size))[: near.size]
    write(os.path.join(folder, "far.wav"), far)
    write(os.path.join(folder, "near.wav"), near)
    chirps = np.zeros(int((CHIRP_FIRST_S + CHIRPS * CHIRP_EVERY_S) * RATE))
    for n in range(CHIRPS):
        start = int((CHIRP_FIRST_S + n * CHIRP_EVERY_S) * RATE)
        chirps[start : start + chirp().size] = chirp()
    write(os.path.join(folder, "chirps.wav"), chirps)
    write(os.path.join(folder, "chirp.wav"), chirp())
    layout = {
        "seconds": each * len(stretches),
        "stretchSeconds": STRETCH_S,
        "stretches": [n * each for n in range(1, len(stretches))],
        "settleSeconds": each,
        "echo": {"seconds": near.size / RATE, "learn": LEARN_S, "alone": ALONE_S, "near": [near_at + n * each for n in range(len(men) // 2)]},
        "chirps": {"seconds": chirps.size / RATE, "count": CHIRPS},
    }
    with open(os.path.join(folder, "speech.json"), "w") as file:
        json.dump(layout, file)


main(sys.argv[1])
