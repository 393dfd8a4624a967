#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Teaches a model in an application of your own: pictures go in through appsrc, labels come once they have passed (the
signal label-range), promotions come from the bus, and the finished model goes to a file.

usage: learn.py BASE-MODEL OUTPUT FOLDER, where FOLDER/LABEL/ holds pictures of LABEL"""
import itertools
import pathlib
import sys

import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import Gst, GstApp  # noqa: F401 (GstApp gives appsrc its methods)
from PIL import Image

SIDE, RATE, SECONDS, TURNS = 96, 25, 2, 16  # classes take turns

LINE = (f"appsrc name=pictures format=time caps=video/x-raw,format=RGB,width={SIDE},height={SIDE},framerate={RATE}/1 "
        "block=true max-buffers=8 ! resnetfinetune name=learner sample-interval=1 finish-on-eos=true ! "
        "resnetclassify model-instance-id=default name=model ! fakesink")


def turns_of(folder, count):
    """Pairs of a label and the pixels of its next pictures."""
    files = {path.name: itertools.cycle(sorted(path.iterdir())) for path in sorted(pathlib.Path(folder).iterdir())}
    for label in itertools.islice(itertools.cycle(files), count):
        pictures = itertools.islice(files[label], RATE * SECONDS)
        yield label, [Image.open(path).convert("RGB").resize((SIDE, SIDE)).tobytes() for path in pictures]


class Teacher:
    def __init__(self, base, output):
        self.output, self.generation = output, 0
        self.pipeline = Gst.parse_launch(LINE)
        self.learner = self.pipeline.get_by_name("learner")
        self.learner.set_property("base-model-file", base)
        self.source = self.pipeline.get_by_name("pictures")

    def teach(self, turns):
        """A turn is labelled when the next has gone in: its pictures have passed by then. The last one stays a test."""
        if self.pipeline.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE:
            self.listen(0)
            sys.exit("learn.py: the pipeline does not start")
        earlier = None
        for number, (label, pictures) in enumerate(turns):
            start = number * SECONDS * Gst.SECOND
            if not self.push(pictures, start):
                break  # listen() says why
            if earlier:
                self.learner.emit("label-range", *earlier)
            earlier = label, start, start + SECONDS * Gst.SECOND - 1
            self.listen(0)
        self.source.end_of_stream()
        while self.listen(Gst.CLOCK_TIME_NONE):
            pass

    def push(self, pictures, start):
        for number, pixels in enumerate(pictures):
            buffer = Gst.Buffer.new_wrapped(pixels)
            buffer.pts, buffer.duration = start + number * Gst.SECOND // RATE, Gst.SECOND // RATE
            if self.source.push_buffer(buffer) != Gst.FlowReturn.OK:
                return False
        return True

    def listen(self, patience):
        """Takes what the bus has; false: the stream is over."""
        kinds = Gst.MessageType.ELEMENT | Gst.MessageType.ERROR | Gst.MessageType.EOS
        while message := self.pipeline.get_bus().timed_pop_filtered(patience, kinds):
            if message.type == Gst.MessageType.ERROR:
                sys.exit("learn.py: " + message.parse_error()[0].message)
            if message.type == Gst.MessageType.EOS:
                return False
            structure = message.get_structure()
            if structure.get_name() == "resnetfinetune" and structure.get_string("event") == "promoted":
                self.generation = structure.get_value("model-generation")
                print(f"generation {self.generation}, {structure.get_string('candidate-kind')}: "
                      + ", ".join(structure.get_value("labels")), flush=True)
        return True

    def save(self):
        """What it learned; false: nothing."""
        return self.generation > 0 and self.learner.emit("save", self.output)

    def close(self):
        self.pipeline.set_state(Gst.State.NULL)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    Gst.init(None)
    base, output, folder = sys.argv[1:]
    teacher = Teacher(base, output)
    try:
        teacher.teach(turns_of(folder, TURNS))
        if not teacher.save():
            sys.exit("learn.py: nothing was learned")
    finally:
        teacher.close()
    print(f"saved {output}")


if __name__ == "__main__":
    main()
