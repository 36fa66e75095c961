"""Measures recordings: takes one JSON object on its standard input, gives one on its standard output.

measure.py speech   how good stretches of speech are (PESQ-WB, ITU-T P.862.2), each beside what was sent
measure.py delay    how long chirps take from one recording to another
measure.py echo     how much of an echo is left
"""

import json
import sys

import numpy as np
import pesq

from signals import NARROW, RATE, alikeness, level, narrow, read

# How far from where it is expected a stretch is looked for.
ASTRAY_S = 2.0
# PESQ's own scale ends there: what it cannot find at all is no better.
WORST = 1.0
# Less alike than that, and it is not the chirp.
ALIKE = 0.5
# The same sound, recorded twice, differs by less.
EARLIEST_S = 0.01
LATEST_S = 0.7


def score(sent, heard, at, seconds, start):
    """One stretch: from `start` of what was sent, expected at `at` of what was heard; both at 16 kHz."""
    wanted = sent[int(start * NARROW) : int((start + seconds) * NARROW)]
    first = max(0, int((at - ASTRAY_S) * NARROW))
    around = heard[first : int((at + seconds + ASTRAY_S) * NARROW)]
    if around.size < wanted.size:
        raise SystemExit(f"the recording ends {(wanted.size - around.size) / NARROW:.1f} s too early")
    # Single steps are too fine where sound was stretched and cut on its way: PESQ finds those itself.
    place = int(np.argmax(alikeness(wanted, around)))
    part = around[place : place + wanted.size]
    value = pesq.pesq(NARROW, wanted, part, "wb", on_error=pesq.PesqError.RETURN_VALUES)
    return {"pesq": max(WORST, float(value)), "astray": (first + place) / NARROW - at}


def speech(request):
    sent, heard = narrow(read(request["sent"])), narrow(read(request["heard"]))
    return [score(sent, heard, at=stretch["at"], seconds=request["seconds"], start=stretch["start"]) for stretch in request["stretches"]]


def chirps(path, chirp):
    """Where they begin, in seconds."""
    alike = alikeness(chirp, read(path))
    places = []
    for place in np.flatnonzero(alike > ALIKE):
        if places and place - places[-1] < RATE // 5:
            if alike[place] > alike[places[-1]]:
                places[-1] = place
        else:
            places.append(place)
    return np.array(places) / RATE


def delay(request):
    """Each recording says when, on one clock, its first sample was heard."""
    chirp = read(request["chirp"])
    sent, heard = (chirps(request[side]["path"], chirp) + request[side]["began"] for side in ("sent", "heard"))
    delays = []
    for at in sent:
        later = heard[(heard >= at - EARLIEST_S) & (heard < at + LATEST_S)]
        if later.size:
            delays.append(float(later[0] - at) * 1000)
    return {"sent": int(sent.size), "delays": delays}


def echo(request):
    """What the microphone took of the far voice against what came back, in whole and second by second."""
    mouth, back = read(request["microphone"]["path"]), read(request["heard"]["path"])
    cut = lambda samples, side, start, seconds: samples[int((start - request[side]["began"]) * RATE) :][: int(seconds * RATE)]
    before, after = (cut(samples, side, request["from"], request["seconds"]) for samples, side in ((mouth, "microphone"), (back, "heard")))
    pieces = [(level(before[n : n + RATE]), level(after[n : n + RATE])) for n in range(0, min(before.size, after.size) - RATE + 1, RATE)]
    loudest = max(taken for taken, _ in pieces)
    near, heard = narrow(read(request["near"])), narrow(back)
    scores = [score(near, heard, at=stretch["at"] - request["heard"]["began"], seconds=request["stretchSeconds"], start=stretch["start"]) for stretch in request["stretches"]]
    return {
        "taken": level(before),
        "left": level(after),
        "removed": level(before) - level(after),
        # Where the far voice pauses there is nothing to remove.
        "seconds": [taken - left for taken, left in pieces if taken > loudest - 20],
        "stretches": scores,
    }


json.dump({"speech": speech, "delay": delay, "echo": echo}[sys.argv[1]](json.load(sys.stdin)), sys.stdout)
