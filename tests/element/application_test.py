#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# An application in Python: reads messages, metas, signals and properties, calls actions. argv[1]: a colour model's
# file.
import pathlib
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import tap  # noqa: E402
from eventually import HANG_GUARD_S  # noqa: E402
from gst_leaks import leaks_of  # noqa: E402

import gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst

Gst.init(None)
MODEL = sys.argv.pop(1)


def play(line, on_buffer=None, prepare=None):
    """Plays to the end; all messages of the element `c`."""
    pipeline = Gst.parse_launch(line)
    if on_buffer:
        sink = pipeline.get_by_name("sink")
        sink.set_property("signal-handoffs", True)
        sink.connect("handoff", lambda _, buffer, __: on_buffer(buffer))
    if prepare:
        prepare(pipeline.get_by_name("c"))
    pipeline.set_state(Gst.State.PLAYING)
    bus, messages = pipeline.get_bus(), []
    while True:
        message = bus.timed_pop(HANG_GUARD_S * Gst.SECOND)
        if message is None or message.type == Gst.MessageType.ERROR:
            raise AssertionError(message and message.parse_error())
        if message.type == Gst.MessageType.ELEMENT:
            messages.append(message.get_structure())
        if message.type == Gst.MessageType.EOS:
            break
    pipeline.set_state(Gst.State.NULL)
    return messages


def line(frames=5, pattern="red", properties=""):
    return (f"videotestsrc num-buffers={frames} pattern={pattern} ! video/x-raw,format=RGB,width=64,height=48 ! "
            f"resnetclassify name=c model-file={MODEL} {properties} ! fakesink name=sink")


FOR_EVER = line(frames=-1, properties="threads=1 overlay=true post-messages=always")


class Application(unittest.TestCase):
    def test_a_message_names_label_confidence_and_top(self):
        messages = [m for m in play(line(properties="top-k=2")) if m.get_string("event") == "classification"]
        self.assertEqual(len(messages), 1)  # on change
        message = messages[0]
        self.assertEqual(message.get_name(), "resnetclassify")
        self.assertEqual(message.get_string("label"), "red")
        self.assertEqual(message.get_value("label-id"), 0)
        self.assertGreater(message.get_value("confidence"), 0.99)
        self.assertEqual(message.get_value("timestamp"), 0)
        self.assertEqual(message.get_value("model-generation"), 1)
        top = message.get_value("top")
        self.assertEqual([entry.get_string("label") for entry in top], ["red", "green"])

    def test_a_meta_is_read_from_a_buffer(self):
        labels = []
        play(line(frames=3, pattern="blue"), lambda buffer: labels.append(
            buffer.get_custom_meta("ResnetClassification").get_structure().get_string("label")))
        self.assertEqual(labels, ["blue"] * 3)

    def test_signals_are_heard(self):
        heard = []
        play(line(pattern="green"), prepare=lambda element: (
            element.connect("label-changed", lambda _, *values: heard.append(values)),
            element.connect("model-changed", lambda _, generation, about: heard.append(
                (generation, about.get_string("arch"))))))
        self.assertEqual(heard[0], (1, "resnet20"))
        self.assertEqual(heard[1][:2], ("green", ""))
        self.assertEqual(len(heard), 2)

    def test_stats_and_labels_are_properties(self):
        seen = {}

        def read(element):
            seen["element"] = element

        play(line(), lambda buffer: seen.update(labels=seen["element"].get_property("labels"),
                                                stats=seen["element"].get_property("stats")), read)
        self.assertEqual(seen["labels"], ["red", "green", "blue"])
        self.assertEqual(seen["stats"].get_value("frames"), 5)

    def test_a_sample_is_classified_by_an_action(self):
        element = Gst.ElementFactory.make("resnetclassify")
        element.set_property("model-file", MODEL)
        element.set_state(Gst.State.PAUSED)
        caps = Gst.Caps.from_string("video/x-raw,format=RGB,width=4,height=4,framerate=1/1")
        sample = Gst.Sample.new(Gst.Buffer.new_wrapped(bytes([0, 0, 255] * 16)), caps, None, None)
        result = element.emit("classify-sample", sample)
        self.assertEqual(result.get_string("label"), "blue")
        self.assertFalse(element.emit("load-model", ""))
        element.set_state(Gst.State.NULL)

    def test_a_hundred_cycles_leave_nothing_to_the_leaks_tracer(self):
        cycles = ["for _ in range(100):",
                  "    pipeline.set_state(Gst.State.PLAYING)",
                  "    pipeline.get_state(5 * Gst.SECOND)",  # prerolled: frames are in flight
                  "    pipeline.set_state(Gst.State.NULL)"]
        self.assertEqual(leaks_of(FOR_EVER, cycles), [])

    def test_the_leaks_tracer_would_see_a_leak(self):
        reference = ["import ctypes", "ref = ctypes.CDLL('libgstreamer-1.0.so.0').gst_object_ref",
                     "ref.argtypes, ref.restype = [ctypes.c_void_p], ctypes.c_void_p",
                     "ref(hash(pipeline.get_by_name('c')))"]  # the hash of a GObject is its address
        self.assertNotEqual(leaks_of(FOR_EVER, reference), [])


if __name__ == "__main__":
    tap.main()
