# SPDX-License-Identifier: MIT
"""Plays a labelled picture stream through resnetfinetune and resnetclassify, and says what happens as it happens."""
import collections

import gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst

LEARNER = "sample-interval=1 holdout-block=1000000000 holdout-gap=250000000 holdout-fraction=0.3"

Seen = collections.namedtuple("Seen", "time label confidence generation")  # running time in ns


def launch_line(source, base, out, show):
    """`base` is the model to begin with, `out` the folder for what is made. resnetclassify `base` keeps showing what
    it would say without learning."""
    window = "split. ! queue ! videoconvert ! autovideosink" if show else ""
    return (f'{source} ! videoconvert ! clocksync name=clocked ! resnetfinetune name=learner model-instance-id=demo '
            f'base-model-file="{base}" checkpoint-dir="{out}/generations" {LEARNER} ! '
            f'resnetclassify name=base model-file="{base}" skip-late=false post-messages=always meta=roi ! '
            'resnetclassify name=model model-instance-id=demo skip-late=false post-messages=always overlay=true ! '
            f'tee name=split ! queue ! videoconvert ! jpegenc ! matroskamux ! filesink location="{out}/annotated.mkv" {window}')


def clock(time_ns):
    return f"{time_ns // 60_000_000_000}:{time_ns / 1e9 % 60:06.3f}"


class Player:
    """Runs until the stream ends, or until `ended` says so. `label_at` gives the label of an instant, or ""."""

    def __init__(self, pipeline, label_at, say):
        self.pipeline, self.label_at, self.say = pipeline, label_at, say
        self.learner = pipeline.get_by_name("learner")
        self.seen = {"base": [], "model": []}
        self.told, self.shown, self.now = "", "", 0
        self.gates, self.promotions = [], []
        pipeline.get_by_name("clocked").get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, self.label_frame)

    def label_frame(self, pad, info):
        """The event goes ahead of the first frame that it holds for."""
        segment = pad.get_sticky_event(Gst.EventType.SEGMENT, 0).parse_segment()
        self.now = segment.to_running_time(Gst.Format.TIME, info.get_buffer().pts)
        label = self.label_at(self.now)
        if label != self.told:
            self.told = label
            structure = Gst.Structure.new_empty("resnet-label")
            structure.set_value("label", label)
            pad.push_event(Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM, structure))
            self.say(self.now, f"label    {label}" if label else "label    none any more")
        return Gst.PadProbeReturn.OK

    def run(self, ended=lambda: False):
        """None, or why it ended early."""
        self.pipeline.set_state(Gst.State.PLAYING)
        bus = self.pipeline.get_bus()
        kinds = Gst.MessageType.ELEMENT | Gst.MessageType.ERROR | Gst.MessageType.WARNING | Gst.MessageType.EOS
        while True:
            message = bus.timed_pop_filtered(50 * Gst.MSECOND, kinds)
            if ended():
                self.pipeline.send_event(Gst.Event.new_eos())
                ended = lambda: False  # noqa: E731
            if message is None:
                continue
            if message.type == Gst.MessageType.EOS:
                return None
            if message.type == Gst.MessageType.ERROR:
                return message.parse_error()[0].message
            if message.type == Gst.MessageType.WARNING:
                self.say(self.now, "warning  " + message.parse_warning()[0].message)
            else:
                self.take(message.src.get_name(), message.get_structure())

    def take(self, source, structure):
        event = structure.get_string("event") if structure.has_field("event") else ""
        if structure.get_name() == "resnetclassify" and event == "classification":
            self.seen[source].append(Seen(structure.get_value("running-time"), structure.get_string("label") or "",
                                          structure.get_value("confidence"), structure.get_value("model-generation")))
            if source == "model":
                self.show(self.seen[source][-1])
        elif structure.get_name() == "resnetfinetune":
            handler = getattr(self, "on_" + event.replace("-", "_"), None)
            if handler:
                handler(structure)

    def on_train_started(self, structure):
        self.say(self.now, f"train    run {structure.get_value('run')}: {structure.get_value('train-samples')} samples to "
                 f"learn from, {structure.get_value('holdout-samples')} held out")

    def on_gate(self, structure):
        gate = {name: structure.get_value(name) for name in ("candidate-kind", "verdict", "reason", "metric", "samples")}
        for side in ("incumbent", "candidate"):
            gate[side] = structure.get_value(side).get_value(gate["metric"])
        self.gates.append((self.now, gate))
        self.say(self.now, "gate     {candidate-kind} {verdict}: {metric} {candidate:.3f} against {incumbent:.3f} on "
                 "{samples} held out; {reason}".format(**gate))

    def on_promoted(self, structure):
        labels = ", ".join(structure.get_value("labels"))
        self.promotions.append((self.now, structure.get_value("model-generation"), structure.get_value("candidate-kind"),
                                labels))
        self.say(self.now, "promoted generation {1}, {2}: {3}".format(*self.promotions[-1]))

    def on_rolled_back(self, structure):
        self.say(self.now, f"rolled back to what is generation {structure.get_value('model-generation')} now: "
                 + structure.get_string("reason"))

    def on_not_trained(self, structure):
        self.say(self.now, "no run   " + structure.get_string("reason"))

    def on_error(self, structure):
        self.say(self.now, "error    " + structure.get_string("message"))

    def show(self, seen):
        if seen.label != self.shown:
            self.shown = seen.label
            self.say(seen.time, f"shown    {seen.label:12} {100 * seen.confidence:3.0f} %  generation {seen.generation}")

    def save(self, path):
        return self.learner.emit("save", path)

    def close(self):
        self.pipeline.set_state(Gst.State.NULL)
