# SPDX-License-Identifier: MIT
"""Scenes for the demo, made and mixed by GStreamer's own elements: one of three things drifts over a background that
changes with every turn, in noise, blur and shifted colours. Everything that moves is a GstController curve, so that a
frame depends on its time alone."""
import random

import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstController", "1.0")
from gi.repository import Gst, GstController

from labels import Span

WIDTH, HEIGHT, RATE = 240, 240, 25
THINGS = {"chequers": "checkers-8 ! video/x-raw,width=32,height=32",
          "pinwheel": "pinwheel ! video/x-raw,width=96,height=96",
          "ball": "ball motion=wavy ! video/x-raw,width=96,height=96"}
BACKGROUNDS = ("smpte75 ! video/x-raw,width=64,height=48", "gradient ! video/x-raw,width=64,height=48",
               "zone-plate kx2=6 ky2=4 kt=3 ! video/x-raw,width=80,height=60",
               "gamut ! video/x-raw,width=64,height=48", "colors ! video/x-raw,width=160,height=120")
SHOT = 800 * Gst.MSECOND
SIDES = 120, 200
LOOKS = (("sigma", 0, 1.5), ("hue", -0.6, 0.6), ("saturation", 0.4, 1.5), ("brightness", -0.2, 0.2), ("contrast", 0.6, 1.3))
NOISE = "snow ! video/x-raw,width=160,height=120"

# Who takes turns, and for how many seconds; the third thing comes later. Then the same without labels.
LEARN = (("chequers", 4), ("pinwheel", 4), ("chequers", 3), ("pinwheel", 3), ("ball", 4), ("chequers", 2), ("ball", 3),
         ("pinwheel", 2), ("ball", 3), ("chequers", 3), ("pinwheel", 3), ("ball", 3), ("chequers", 2), ("pinwheel", 2))
JUDGE = tuple((thing, 1.6) for _ in range(4) for thing in ("ball", "chequers", "pinwheel"))


def spans():
    """What is seen when, and whether the learner is told."""
    result, start = [], 0
    for use, turns in (("learn", LEARN), ("judge", JUDGE)):
        for label, seconds in turns:
            end = start + round(seconds * Gst.SECOND)
            result.append(Span(start, end, label, use))
            start = end
    return result


def description():
    """A launch line without its end: the mixed picture."""
    sources = list(BACKGROUNDS) + list(THINGS.values()) + [NOISE]
    frames = spans()[-1].end * RATE // Gst.SECOND
    full = f"sink_{{0}}::width={WIDTH} sink_{{0}}::height={HEIGHT}"
    pads = " ".join(full.format(i) for i in [*range(len(BACKGROUNDS)), len(sources) - 1])
    inputs = " ".join(f"videotestsrc num-buffers={frames} pattern={source},framerate={RATE}/1 ! mix.sink_{i}"
                      for i, source in enumerate(sources))
    return (f"{inputs} compositor name=mix background=black {pads} ! "
            f"video/x-raw,format=AYUV,width={WIDTH},height={HEIGHT},framerate={RATE}/1 ! gaussianblur name=blur ! "
            "videobalance name=balance")


class Curve:
    """The values of one property over time: steps where they jump, lines where they move."""

    def __init__(self, target, name, mode=GstController.InterpolationMode.NONE):
        self.source = GstController.InterpolationControlSource(mode=mode)
        target.add_control_binding(GstController.DirectControlBinding.new_absolute(target, name, self.source))

    def put(self, time_ns, value):
        self.source.set(time_ns, value)


def animate(pipeline, seed=0):
    """Gives the elements of description() their curves."""
    mix, blur, balance = (pipeline.get_by_name(name) for name in ("mix", "blur", "balance"))
    pads = [mix.get_static_pad(f"sink_{i}") for i in range(len(BACKGROUNDS) + len(THINGS) + 1)]
    shown = [Curve(pad, "alpha") for pad in pads]
    things = pads[len(BACKGROUNDS):-1]
    sides = [(Curve(pad, "width"), Curve(pad, "height")) for pad in things]
    places = [[Curve(pad, name, GstController.InterpolationMode.LINEAR) for name in ("xpos", "ypos")] for pad in things]
    looks = {name: Curve(target, name) for target, name in
             ((blur, "sigma"), (balance, "hue"), (balance, "saturation"), (balance, "brightness"), (balance, "contrast"))}
    draw = random.Random(seed)
    for span in spans():
        for start, end in shots(span):
            background, thing = draw.randrange(len(BACKGROUNDS)), list(THINGS).index(span.label)
            for i, curve in enumerate(shown[:-1]):
                curve.put(start, draw.uniform(0.3, 0.8) if i == background else float(i == len(BACKGROUNDS) + thing))
            shown[-1].put(start, draw.uniform(0.05, 0.3))
            side = draw.randrange(*SIDES)
            for curve in sides[thing]:
                curve.put(start, side)
            for curve, room in zip(places[thing], (WIDTH - side, HEIGHT - side)):
                curve.put(start, draw.uniform(-0.15, 1.15) * room)
                curve.put(end - 1, draw.uniform(-0.15, 1.15) * room)
            for name, low, high in LOOKS:
                looks[name].put(start, draw.uniform(low, high))


def shots(span):
    """A turn is cut into shots of SHOT: another background, size, way and light."""
    cuts = [*range(span.start, span.end - SHOT // 2, SHOT), span.end]
    return zip(cuts, cuts[1:])
