# SPDX-License-Identifier: MIT
"""Labelled recordings out of pictures: a Matroska file of JPEGs, which lose nothing, and the label file that says what
it shows when; and what `ft-tool live` makes of them."""
import json
import subprocess
import sys

import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import Gst, GstApp  # noqa: F401 (GstApp gives appsrc its methods)


def run(pipeline):
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if message.type == Gst.MessageType.ERROR:
        sys.exit(message.parse_error()[0].message)


def write(path, jpegs, rate):
    """`jpegs`: an iterable of bytes, all of one size."""
    pipeline = Gst.parse_launch(f"appsrc name=source format=time caps=image/jpeg,framerate={rate}/1 ! jpegparse ! "
                                f'matroskamux ! filesink location="{path}"')
    source = pipeline.get_by_name("source")
    for number, jpeg in enumerate(jpegs):
        buffer = Gst.Buffer.new_wrapped(jpeg)
        buffer.pts, buffer.duration = number * Gst.SECOND // rate, Gst.SECOND // rate
        source.push_buffer(buffer)  # before PLAYING: it waits in appsrc
    source.end_of_stream()
    run(pipeline)


def frames_of(clip, width, height, rate):
    """A video's frames as JPEGs, in its own time."""
    pipeline = Gst.parse_launch(
        f'filesrc location="{clip}" ! decodebin ! videoconvert ! videoscale ! videorate ! '
        f"video/x-raw,format=I420,width={width},height={height},framerate={rate}/1,pixel-aspect-ratio=1/1 ! jpegenc quality=92 ! "
        "fakesink name=sink signal-handoffs=true")
    jpegs = []
    pipeline.get_by_name("sink").connect("handoff", lambda _, buffer, __: jpegs.append(buffer.extract_dup(0, buffer.get_size())))
    run(pipeline)
    return jpegs


def write_labels(path, spans):
    """`spans`: (from-seconds, to-seconds, label, use)."""
    path.write_text("".join(f"{start:.3f},{end:.3f},{label},{use}\n" for start, end, label, use in spans))


def learn(ft_tool, video, labels, *options):
    """What ft-tool live says."""
    done = subprocess.run([ft_tool, "live", "--input", video, "--labels", labels, "--json", *options],
                          stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)
