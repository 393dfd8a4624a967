#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Runs every line of pipelines/README.md as a user would. A live videotestsrc stands for the camera, gst-rtsp-server for
# the RTSP stream, pictures with regions for a detector.
# arguments: source root, build root, a colour model's file
import itertools
import json
import os
import pathlib
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import tap  # noqa: E402
from eventually import HANG_GUARD_S, eventually  # noqa: E402

import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import GLib, Gst, GstVideo

Gst.init(None)
SOURCE, BUILD = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
COLOR_MODEL = os.path.abspath(sys.argv[3])
del sys.argv[1:4]
CLIPS = pathlib.Path("/usr/share/doc/opencv-doc/examples/data")


def lines_of_readme():
    """The launch line under each heading."""
    text = (SOURCE / "pipelines" / "README.md").read_text()
    return dict(re.findall(r"^## ([^\n]+)\n(?:(?!```|## )[^\n]*\n)*?```\n(gst-launch-1.0 [^\n]+)\n```", text, re.M))


def run(command, folder, **variables):
    result = subprocess.run(["bash", "-c", command], cwd=folder, env=dict(os.environ, **variables),
                            capture_output=True, text=True, timeout=HANG_GUARD_S)
    return result.returncode, result.stdout, result.stderr


def run_until(is_enough, command, folder, **variables):
    """As run(), with both outputs as one, and Ctrl-C once what was printed is enough."""
    with subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=folder, env=dict(os.environ, **variables),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        guard = threading.Timer(HANG_GUARD_S, process.kill)
        guard.start()
        output = ""
        for line in process.stdout:
            output += line
            if is_enough(output):
                process.send_signal(signal.SIGINT)
                break
        output += process.stdout.read()
        guard.cancel()
    return process.returncode, output


def labels_in(output):
    """The labels of classification messages, in order."""
    return re.findall(r"event=\(string\)classification,.*? label=\(string\)([^,]*),", output)


def needs_clips(test):
    return unittest.skipUnless(CLIPS.is_dir(), "not tested: Debian's package opencv-doc is not installed")(test)


class Lines(unittest.TestCase):
    def setUp(self):
        self.lines = lines_of_readme()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)


class LaunchLines(Lines):
    def labels(self, heading, replace=(), **variables):
        line = self.lines[heading]
        for old, new in replace:
            self.assertIn(old, line)
            line = line.replace(old, new)
        status, output, errors = run(line, self.folder, **{"MODEL": COLOR_MODEL, **variables})
        self.assertEqual(status, 0, errors)
        labels = labels_in(output)
        self.assertNotEqual(labels, [], output[-2000:])
        self.assertLessEqual(set(labels), {"red", "green", "blue"})
        return labels

    def test_every_heading_has_a_line_and_a_test(self):
        names = dir(LaunchLines) + dir(LearningLines)
        tests = {name.removeprefix("test_").replace("_", " ") for name in names if name.startswith("test_")}
        self.assertLessEqual({heading.lower() for heading in self.lines}, tests)

    @needs_clips
    def test_a_file(self):
        for clip in ("vtest.avi", "tree.avi", "Megamind.avi"):
            with self.subTest(clip):
                self.labels("A file", CLIP=str(CLIPS / clip))

    def test_a_camera(self):
        source = "videotestsrc is-live=true num-buffers=20 pattern=green ! video/x-raw,framerate=30/1"
        self.assertEqual(self.labels("A camera", [("v4l2src", source)]), ["green"])

    def test_a_test_source(self):
        self.labels("A test source")

    def test_rtsp_in(self):
        with rtsp_server("videotestsrc pattern=blue num-buffers=60 ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! "
                         "jpegenc ! rtpjpegpay name=pay0") as url:
            self.assertEqual(self.labels("RTSP in", URL=url), ["blue"])

    def test_two_branches(self):
        self.labels("Two branches")

    @unittest.skipUnless(Gst.ElementFactory.find("nvh264dec") and Gst.ElementFactory.find("nvh264enc"),
                         "not tested: there is no nvh264dec here, which needs a GPU")
    def test_on_a_gpu(self):
        source = "videotestsrc num-buffers=20 pattern=green ! video/x-raw,width=320,height=240 ! nvh264enc"
        self.assertEqual(self.labels("On a GPU", [('filesrc location="$MP4" ! qtdemux', source)]), ["green"])

    @needs_clips
    def test_the_label_drawn_into_a_video_file(self):
        self.labels("The label drawn into a video file", CLIP=str(CLIPS / "tree.avi"))
        status, output, errors = run(
            "gst-launch-1.0 filesrc location=annotated.mkv ! decodebin ! videoconvert ! video/x-raw,format=GRAY8 ! "
            "filesink location=frames", self.folder)
        self.assertEqual(status, 0, errors)
        frames = (self.folder / "frames").read_bytes()
        size = 320 * 240
        self.assertGreaterEqual(len(frames) // size, 50)
        # The box is dark and the text bright, at the top left of every frame.
        for index in range(0, len(frames) // size, 10):
            corner = [frames[index * size + 320 * y + x] for y in range(6, 20) for x in range(6, 60)]
            self.assertGreater(max(corner) - min(corner), 120, f"frame {index}")


class LearningLines(Lines):
    """Lines with resnetfinetune, on noise that two colours tint: no two frames are equal, and all are learnable."""

    def tinted(self, colour):
        """A source of small frames in place of a camera."""
        foreground = {"red": "0xffff0000", "green": "0xff00ff00"}[colour]
        return (f"videotestsrc is-live=true pattern=solid-color foreground-color={foreground} ! "
                "video/x-raw,format=RGBx,width=64,height=64,framerate=50/1 ! agingtv color-aging=false")

    def learn(self, heading, colour, cameras, is_enough):
        """The line with `cameras` replaced by frames of that colour, its label; what it prints."""
        line = self.lines[heading]
        for camera in cameras:
            self.assertIn(camera, line)
            line = line.replace(camera, self.tinted(colour))
        status, output = run_until(is_enough, line, self.folder, MODEL=COLOR_MODEL, LABEL=f"{colour}-cup")
        self.assertEqual(status, 0, output[-2000:])
        self.assertTrue(is_enough(output), output[-2000:])
        return output

    def assert_learns_in_two_turns(self, heading, *cameras, shows=()):
        """`shows`: the label that the line's classifier comes to, where it has one."""
        def has_samples(output):
            return output.count("side=(string)train") >= 10

        def has_learned(output):
            return (has_samples(output) and labels_in(output)[-1:] == list(shows)
                    and re.search(r"event=\(string\)promoted,.* labels=\(\w+\)< red-cup, green-cup >", output))

        self.assertNotIn("event=(string)promoted", self.learn(heading, "red", cameras, has_samples))
        self.learn(heading, "green", cameras, has_learned)

    def test_learn_from_a_camera(self):
        self.assert_learns_in_two_turns("Learn from a camera", "v4l2src", shows=["green-cup"])

    def test_several_cameras_taught_as_one(self):
        self.assert_learns_in_two_turns("Several cameras taught as one", "v4l2src device=/dev/video0",
                                        "v4l2src device=/dev/video1")

    def test_classify_in_one_pipeline_and_learn_in_another(self):
        self.assert_learns_in_two_turns("Classify in one pipeline and learn in another", "v4l2src device=/dev/video0",
                                        "v4l2src device=/dev/video1", shows=["green-cup"])

    def test_learn_from_regions(self):
        line = self.lines["Learn from regions"].removeprefix("gst-launch-1.0 -m ")
        detector = 'v4l2src ! videoconvert ! gvadetect model="$DETECTOR"'
        self.assertIn(detector, line)
        pipeline = Gst.parse_launch(line.replace(detector, "appsrc name=source format=time caps=video/x-raw,format=RGB,"
                                                 "width=64,height=32,framerate=25/1").replace("$MODEL", COLOR_MODEL))
        self.addCleanup(pipeline.set_state, Gst.State.NULL)
        source, numbers = pipeline.get_by_name("source"), itertools.count()
        source.connect("need-data", lambda *_: source.emit("push-buffer", frame_with_regions(next(numbers))))
        pipeline.set_state(Gst.State.PLAYING)
        bus, promoted = pipeline.get_bus(), []

        def both_are_learned():
            while message := bus.pop_filtered(Gst.MessageType.ELEMENT | Gst.MessageType.ERROR):
                self.assertEqual(message.type, Gst.MessageType.ELEMENT)
                structure = message.get_structure()
                if structure.get_name() == "resnetfinetune" and structure.get_string("event") == "promoted":
                    promoted.append(sorted(structure.get_value("labels")))
            return promoted[-1:] == [["left thing", "right thing"]]

        eventually(both_are_learned, "both regions promoted")
        source.emit("end-of-stream")
        message = bus.timed_pop_filtered(HANG_GUARD_S * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
        self.assertIsNotNone(message)
        self.assertEqual(message.type, Gst.MessageType.EOS)


def frame_with_regions(number):
    """64x32 pixels, the left half reddish and the right half greenish, each a region; no two frames are equal."""
    draw = random.Random(number)
    noise = bytes(draw.randrange(100) for _ in range(64 * 32 * 3))
    pixels = bytearray(noise)
    for offset in range(0, len(pixels), 3):
        pixels[offset + (0 if offset // 3 % 64 < 32 else 1)] += 120
    buffer = Gst.Buffer.new_allocate(None, len(pixels), None)
    buffer.fill(0, bytes(pixels))
    buffer.pts, buffer.duration = number * Gst.SECOND // 25, Gst.SECOND // 25
    for name, left in (("left thing", 0), ("right thing", 32)):
        GstVideo.buffer_add_video_region_of_interest_meta(buffer, name, left, 0, 32, 32)
    return buffer


class SameEverywhere(unittest.TestCase):
    @needs_clips
    def test_without_the_element_and_with_it_a_decoder_writes_the_same_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            clip = CLIPS / "tree.avi"
            for name, element in (("without", ""), ("with", f"resnetclassify model-file={COLOR_MODEL} !")):
                status, _, errors = run(f"gst-launch-1.0 filesrc location={clip} ! decodebin ! videoconvert ! "
                                        f"video/x-raw,format=I420 ! {element} filesink location={name}", folder)
                self.assertEqual(status, 0, errors)
            without, with_it = (pathlib.Path(folder, name).read_bytes() for name in ("without", "with"))
            self.assertGreater(len(without), 50 * 320 * 240)
            self.assertTrue(without == with_it)

    @unittest.skipUnless((BUILD / "tools" / "ft-tool").exists(), "not tested: ft-tool is not built")
    def test_ft_tool_and_a_pipeline_give_the_same_bits(self):
        for name in ("landscape.png", "portrait.png", "odd.png"):
            picture = SOURCE / "tests" / "data" / "preprocess" / name
            status, output, errors = run(f"{BUILD}/tools/ft-tool predict --model-file {COLOR_MODEL} --format jsonl "
                                         f"--logits {picture}", SOURCE)
            self.assertEqual(status, 0, errors)
            self.assertEqual(as_float(json.loads(output)["logits"]), as_float(pipeline_logits(picture)))


def as_float(values):
    """Rounded to the 32-bit numbers that were printed."""
    return [struct.unpack("f", struct.pack("f", value))[0] for value in values]


def pipeline_logits(picture):
    pipeline = Gst.parse_launch(
        f"filesrc location={picture} ! pngdec ! videoconvert ! video/x-raw,format=RGB ! resnetclassify "
        f"model-file={COLOR_MODEL} attach-embedding=true skip-late=false ! fakesink name=sink signal-handoffs=true")
    seen = []
    pipeline.get_by_name("sink").connect("handoff", lambda _, buffer, __: seen.append(
        list(buffer.get_custom_meta("ResnetClassification").get_structure().get_value("logits"))))
    pipeline.set_state(Gst.State.PLAYING)
    pipeline.get_bus().timed_pop_filtered(HANG_GUARD_S * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    return seen[0]


class rtsp_server:
    """Serves a launch line on a free port while the block runs."""

    def __init__(self, line):
        gi.require_version("GstRtspServer", "1.0")
        from gi.repository import GstRtspServer
        self.server, factory = GstRtspServer.RTSPServer(), GstRtspServer.RTSPMediaFactory()
        factory.set_launch(f"( {line} )")
        factory.set_shared(True)
        self.server.set_address("127.0.0.1")
        self.server.set_service("0")
        self.server.get_mount_points().add_factory("/test", factory)

    def __enter__(self):
        self.context, self.source = GLib.MainContext.default(), self.server.attach(None)
        self.loop = GLib.MainLoop()
        self.thread = threading.Thread(target=self.loop.run)
        self.thread.start()
        return f"rtsp://127.0.0.1:{self.server.get_bound_port()}/test"

    def __exit__(self, *_):
        self.loop.quit()
        self.thread.join()
        GLib.source_remove(self.source)


if __name__ == "__main__":
    tap.main()
