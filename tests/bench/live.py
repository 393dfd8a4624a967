#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures p99 of resnetclassify (its property stats) without and with training at duty-cycle 0.5, in turns.

One pipeline has a learner and two classifiers of one hub, of which the one is enabled while nobody trains and the
other while a run over all layers is under way: what else the machine does falls on both alike. The source is paced.
Nothing is promoted, so that both judge by the same model. A case whose frames take longer than their period without
training, too, is left out, and said."""
import argparse
import json
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

import gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst
from PIL import Image

CASES = [("resnet20", 32, 10), ("resnet20", 32, 30), ("resnet18", 224, 10), ("resnet18", 224, 30)]
TURN_S = 8


def random_model(ft_tool, arch, size, folder):
    """A net from scratch, which one step of training writes; two classes."""
    for label in ("a", "b"):
        (folder / "data" / label).mkdir(parents=True, exist_ok=True)
        for i in range(4):
            Image.effect_noise((64, 64), 40 + 20 * i).convert("RGB").save(folder / "data" / label / f"{i}.png")
    run = folder / arch
    subprocess.run([ft_tool, "train", "--data", folder / "data", "--output", run, "--arch", arch, "--input-size", str(size),
                    "--epochs", "1", "--batch-size", "4", "--val-split", "0.5"], check=True, capture_output=True)
    return run / "model.safetensors"


class Bench:
    def __init__(self, model, rate):
        common = "model-instance-id=bench skip-late=false post-messages=never"
        self.pipeline = Gst.parse_launch(
            f"videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=640,height=480,framerate={rate}/1 ! "
            f'resnetfinetune name=learner model-instance-id=bench base-model-file="{model}" train=manual trainable=all '
            "epochs=100000 promotion=never instant-head=off duty-cycle=0.5 sample-interval=3 ! "
            f"resnetclassify name=without {common} ! resnetclassify name=with {common} enabled=false ! fakesink sync=false")
        self.rate = rate
        self.learner, *self.sides = (self.pipeline.get_by_name(name) for name in ("learner", "without", "with"))
        self.pipeline.set_state(Gst.State.PLAYING)

    def watch(self, seconds, wanted=None):
        """Looks at the bus and changes the label every second; ends early when `wanted` says so."""
        end, number = time.monotonic() + seconds, 0
        while time.monotonic() < end and not (wanted and wanted()):
            message = self.pipeline.get_bus().timed_pop_filtered(100 * Gst.MSECOND, Gst.MessageType.ERROR | Gst.MessageType.ELEMENT)
            if message and message.type == Gst.MessageType.ERROR:
                sys.exit("live: " + message.parse_error()[0].message)
            if message and message.get_structure().get_string("event") == "error":
                sys.exit("live: " + message.get_structure().to_string())
            if (label := "ab"[int(time.monotonic()) % 2]) != number:
                number = label
                self.learner.set_property("label", label)

    def stats(self, side):
        structure = self.sides[side].get_property("stats")
        return {name: structure.get_value(name) for name in ("inferred", "total-p50", "total-p99")}

    def trains(self):
        return self.learner.get_property("learner-state").value_nick == "training"

    def turn(self, training):
        """Frames count only while what is measured holds."""
        if training:
            self.learner.emit("train-now")
            self.watch(10, self.trains)
            if not self.trains():
                sys.exit("live: no run began")
        self.sides[training].set_property("enabled", True)
        self.watch(TURN_S)
        self.sides[training].set_property("enabled", False)
        if training:
            if not self.trains():
                sys.exit("live: the run ended before its turn did")
            self.learner.emit("cancel")
            self.watch(10, lambda: not self.trains())

    def close(self):
        self.pipeline.set_state(Gst.State.NULL)


def measure(model, arch, size, rate, frames):
    bench = Bench(model, rate)
    bench.watch(5)  # warms up, and collects both classes
    case = {"net": arch, "input-size": size, "frames-per-second": rate}
    if bench.stats(0)["total-p50"] > 1e9 / rate:
        bench.close()
        return case | {"left-out": f"a frame takes {bench.stats(0)['total-p50'] / 1e6:.1f} ms without training"}
    while min(bench.stats(side)["inferred"] for side in (0, 1)) < frames:
        bench.turn(0)
        bench.turn(1)
    without, with_training = bench.stats(0), bench.stats(1)
    bench.close()
    return case | {"without": without, "with": with_training, "ratio": with_training["total-p99"] / without["total-p99"]}


def processor():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ft-tool", required=True)
    parser.add_argument("--frames", type=int, default=1000, help="of each side, at least (1000)")
    parser.add_argument("--only", help="resnet20 or resnet18")
    parser.add_argument("--json", action="store_true", help="one JSON object on the standard output")
    chosen = parser.parse_args()
    Gst.init(None)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for arch, size, rate in CASES:
            if chosen.only not in (None, arch):
                continue
            model = random_model(chosen.ft_tool, arch, size, pathlib.Path(folder) / f"{arch}-{rate}")
            results.append(measure(model, arch, size, rate, chosen.frames))
            if not chosen.json:
                print(text_of(results[-1]), flush=True)
    if chosen.json:
        print(json.dumps({"processor": processor(), "duty-cycle": 0.5, "cases": results}))
    else:
        print(f"on {processor()}, duty-cycle 0.5; the aim is a ratio of at most 1.5")


def text_of(case):
    name = f"{case['net']} at {case['input-size']}, {case['frames-per-second']} frames/s: "
    if "left-out" in case:
        return name + "left out: " + case["left-out"]
    sides = ", ".join(f"{side} training p50 {case[side]['total-p50'] / 1e6:.2f}, p99 {case[side]['total-p99'] / 1e6:.2f} ms "
                      f"({case[side]['inferred']} frames)" for side in ("without", "with"))
    return name + sides + f"; ratio {case['ratio']:.2f}"


if __name__ == "__main__":
    main()
