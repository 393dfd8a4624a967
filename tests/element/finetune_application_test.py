#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# An application in Python that teaches a model while it plays: labels by event, property and signal, promotions from
# the bus, a saved model out. argv[1]: a colour model's file.
import os
import pathlib
import random
import sys
import tempfile
import time
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import tap  # noqa: E402
from eventually import HANG_GUARD_S, eventually  # noqa: E402
from gst_leaks import leaks_of  # noqa: E402

import gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst

Gst.init(None)
MODEL = sys.argv.pop(1)
SIDE = 32
CAPS = f"video/x-raw,format=RGB,width={SIDE},height={SIDE},framerate=30/1"


def picture(warm, draw):
    """A frame of a colour that a person would call so."""
    strong, middle, weak = draw.randint(128, 255), draw.randint(0, 255), draw.randint(0, 100)
    return bytes((strong, middle, weak) if warm else (weak, middle, strong)) * (SIDE * SIDE)


class Pipeline:
    """appsrc, a learner `f` and a classifier on one hub, and what they say."""

    def __init__(self, hub, properties=""):
        self.draw, self.pushed, self.seen, self.labels = random.Random(7), 0, 0, []
        self.pipeline = Gst.parse_launch(
            f"appsrc name=source format=time caps={CAPS} ! resnetfinetune name=f model-instance-id={hub} "
            f"base-model-file={MODEL} sample-interval=1 min-samples=16 min-per-class=4 min-new-samples=8 epochs=2 "
            f"gate-min-samples=8 gate-min-per-class=2 {properties} ! resnetclassify model-instance-id={hub} threads=1 "
            "skip-late=false ! fakesink name=sink sync=false signal-handoffs=true")
        self.source, self.element = self.pipeline.get_by_name("source"), self.pipeline.get_by_name("f")
        self.pipeline.get_by_name("sink").connect("handoff", lambda _, buffer, __: self.take(buffer))
        self.bus = self.pipeline.get_bus()
        self.pipeline.set_state(Gst.State.PLAYING)

    def take(self, buffer):
        meta = buffer.get_custom_meta("ResnetClassification")
        self.labels.append(meta and meta.get_structure().get_string("label"))
        self.seen += 1

    def push(self, warm):
        """Returns when the frame has passed."""
        buffer = Gst.Buffer.new_wrapped(picture(warm, self.draw))
        buffer.pts, buffer.duration = self.pushed * Gst.SECOND // 30, Gst.SECOND // 30
        self.pushed += 1
        self.source.emit("push-buffer", buffer)
        eventually(lambda: self.seen == self.pushed, "a frame that has passed")

    def messages(self):
        found = []
        while message := self.bus.pop():
            if message.type == Gst.MessageType.ERROR:
                raise AssertionError(message.parse_error())
            if message.type == Gst.MessageType.ELEMENT and message.get_structure().get_name() == "resnetfinetune":
                found.append(message.get_structure())
        return found

    def send_label(self, label):
        structure = Gst.Structure.new_empty("resnet-label")
        structure.set_value("label", label)
        return self.element.send_event(Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM, structure))

    def add(self, warm, label):
        """Adds a picture of its own; whether it is accepted."""
        buffer = Gst.Buffer.new_wrapped(picture(warm, self.draw))
        return self.element.emit("add-sample", Gst.Sample.new(buffer, Gst.Caps.from_string(CAPS), None, None), label)

    def stored(self):
        """The messages of the samples before one that is added last: samples keep their order."""
        self.add(True, "the end")
        found = []

        def ended():
            found.extend(m for m in self.messages() if m.get_string("event") == "sample-stored")
            return found and found[-1].get_string("label") == "the end"

        eventually(ended, "the last sample stored")
        return found[:-1]

    def teach_until_promoted(self, name):
        """Blocks of ten frames; `name(warm)` labels what follows. Paced, for a thread of idle priority learns
        meanwhile."""
        deadline, warm = time.monotonic() + HANG_GUARD_S, False
        while time.monotonic() < deadline:
            warm = not warm
            name(warm)
            for _ in range(10):
                self.push(warm)
                time.sleep(0.01)
                for message in self.messages():
                    if message.get_string("event") == "promoted":
                        return message
        raise AssertionError("nothing was promoted")

    def close(self):
        self.pipeline.set_state(Gst.State.NULL)


class FinetuneApplication(unittest.TestCase):
    def open(self, hub, properties=""):
        pipeline = Pipeline(hub, properties)
        self.addCleanup(pipeline.close)
        return pipeline

    def test_a_model_learns_from_labels_by_event_and_the_next_frame_shows_it(self):
        pipeline = self.open("by-event")
        promoted = pipeline.teach_until_promoted(
            lambda warm: self.assertTrue(pipeline.send_label("warm" if warm else "cold")))
        self.assertEqual(set(promoted.get_value("labels")), {"warm", "cold"})
        self.assertGreater(promoted.get_value("model-generation"), 1)
        pipeline.push(True)
        self.assertIn(pipeline.labels[-1], ("warm", "cold"))

    def test_a_model_learns_from_the_property_and_names_what_it_was_taught(self):
        pipeline = self.open("by-property", "instant-head=lda train=off")
        pipeline.teach_until_promoted(
            lambda warm: pipeline.element.set_property("label", "warm" if warm else "cold"))
        for block in range(4):
            pipeline.element.set_property("label", "cold" if block % 2 else "warm")
            for _ in range(10):
                pipeline.push(block % 2 == 0)
        pipeline.element.set_property("label", None)

        def names_them():
            """Forty frames, the same each time: only another head answers otherwise."""
            pipeline.draw.seed(11)
            first = len(pipeline.labels)
            for index in range(40):
                pipeline.push(index % 2 == 0)
            named = pipeline.labels[first:]
            return sum(label == ("cold" if index % 2 else "warm") for index, label in enumerate(named)) >= 36

        eventually(names_them, "36 of 40 frames named right")

    def test_samples_are_added_counted_and_saved_by_signals(self):
        pipeline = self.open("by-signal", "train=off instant-head=off")
        for index in range(6):
            self.assertTrue(pipeline.add(index % 2 == 0, "it's \"warm\"" if index % 2 == 0 else "cold"))
        self.assertEqual(len(pipeline.stored()), 6)
        counts = {entry.get_string("label"): entry.get_value("train") + entry.get_value("holdout")
                  for entry in pipeline.element.get_property("samples-per-class").get_value("classes")}
        self.assertEqual(counts, {"it's \"warm\"": 3, "cold": 3, "the end": 1})
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.safetensors")
            self.assertTrue(pipeline.element.emit("save", path))
            self.assertGreater(os.path.getsize(path), 100000)
        self.assertFalse(pipeline.element.emit("promote"))  # nothing waits

    def test_passed_frames_are_labelled_by_their_times(self):
        pipeline = self.open("by-range", "train=off instant-head=off")
        for _ in range(10):
            pipeline.push(True)
        count = pipeline.element.emit("label-range", "warm", 0, Gst.SECOND)
        self.assertEqual(count, 10)
        stored = pipeline.stored()
        self.assertEqual(len(stored), count)
        self.assertEqual({(m.get_string("label"), m.get_string("source")) for m in stored}, {("warm", "range")})

    def test_cycles_with_labels_leave_nothing_to_the_leaks_tracer(self):
        description = (f"videotestsrc pattern=snow ! {CAPS} ! resnetfinetune name=f label=a sample-interval=1 "
                       f"base-model-file={MODEL} ! fakesink")
        cycles = ["element = pipeline.get_by_name('f')",
                  "for cycle in range(20):",
                  "    pipeline.set_state(Gst.State.PLAYING)",
                  "    pipeline.get_state(5 * Gst.SECOND)",
                  "    structure = Gst.Structure.new_empty('resnet-label')",
                  "    structure.set_value('label', 'b')",
                  "    element.send_event(Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM, structure))",
                  "    element.emit('train-now')",
                  "    pipeline.set_state(Gst.State.NULL)",
                  # A learner that does not stop in time may still be posting a message of the element.
                  "import time",
                  "gone = []",
                  "element.weak_ref(lambda: gone.append(True))",
                  "pipeline = element = structure = None",
                  "gc.collect()",
                  "deadline = time.monotonic() + 100",
                  "while not gone and time.monotonic() < deadline:",
                  "    time.sleep(0.01)"]
        self.assertEqual(leaks_of(description, cycles), [])

    def test_properties_tell_what_the_learner_does(self):
        pipeline = self.open("by-asking", "train=off")
        self.assertIn(pipeline.element.get_property("learner-state").value_nick, ("idle", "collecting"))
        self.assertEqual(pipeline.element.get_property("progress"), 0)
        self.assertEqual(pipeline.element.get_property("generation"), 1)
        self.assertIsNone(pipeline.element.get_property("last-metrics"))


if __name__ == "__main__":
    tap.main()
