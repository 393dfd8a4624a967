#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The two applications of pipelines/embed, and that ft-tool live repeats what a pipeline learned.
# arguments: source root, build root, a colour model's file, the C++ application
import itertools
import json
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
COLOR_MODEL, PROGRAM = (os.path.abspath(argument) for argument in sys.argv[3:5])
del sys.argv[1:5]
sys.path.append(str(SOURCE / "tests" / "support"))
import tap  # noqa: E402
from eventually import HANG_GUARD_S  # noqa: E402

import gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst
from PIL import Image

Gst.init(None)
MODEL = SOURCE / "pipelines" / "models" / "cifar10-resnet32.safetensors"  # with features that tell pictures apart
FT_TOOL = BUILD / "tools" / "ft-tool"
TINTS = {"cherry": (1, 0, 0), "green lime": (0, 1, 0)}


def picture(draw, tint, side=64):
    """A tinted patch in noise, in its own light: no two are so near that one is a duplicate."""
    light, contrast, patch = draw.randrange(90), draw.randrange(20, 70), draw.randrange(16, side)
    rows = [[[light + value % contrast for value in draw.randbytes(3)] for _ in range(side)] for _ in range(side)]
    for row in rows[:patch]:
        for pixel in row[:patch]:
            pixel[tint.index(1)] += 90
    return Image.frombytes("RGB", (side, side), bytes(itertools.chain(*itertools.chain(*rows))))


def header_of(path):
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8:8 + length]), data[8 + length:]


def labels_of(path):
    return json.loads(header_of(path)[0]["__metadata__"]["resnetft"])["labels"]


def tensors_of(path):
    header, data = header_of(path)
    return {name: data[slice(*entry["data_offsets"])] for name, entry in header.items() if name != "__metadata__"}


class Applications(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        draw = random.Random(3)
        for label, tint in TINTS.items():
            (self.folder / "pictures" / label).mkdir(parents=True)
            for number in range(50):
                picture(draw, tint).save(self.folder / "pictures" / label / f"{number:03}.jpg", quality=95)

    def run_program(self, *command, status=0):
        done = subprocess.run(list(map(str, command)), cwd=self.folder, capture_output=True, text=True, timeout=HANG_GUARD_S)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status == 0 else done.stderr

    def clip(self, turns=2):
        """Two seconds of each label, so many times: two turns are 200 frames."""
        path, draw = self.folder / "clip.mkv", random.Random(4)
        (self.folder / "frames").mkdir()
        tints = [tint for _ in range(turns) for tint in TINTS.values() for _ in range(50)]
        for number, tint in enumerate(tints):
            picture(draw, tint).save(self.folder / "frames" / f"{number:03}.png")
        self.run_program("gst-launch-1.0", "-q", "multifilesrc", "location=frames/%03d.png", "caps=image/png,framerate=25/1",
                         "!", "pngdec", "!", "videoconvert", "!", "jpegenc", "quality=95", "!", "matroskamux", "!", "filesink", f"location={path}")
        return path

    def test_the_python_application_learns_a_folder_and_saves_the_model(self):
        output = self.run_program("/usr/bin/python3", SOURCE / "pipelines/embed/learn.py", COLOR_MODEL, "out.safetensors",
                                  "pictures")
        self.assertRegex(output, r"(?m)^generation \d+, [\w-]+: cherry, green lime$")
        self.assertEqual(sorted(labels_of(self.folder / "out.safetensors")), sorted(TINTS))

    def test_the_cpp_application_learns_a_video_and_saves_the_model(self):
        ranges = ["0-2=cherry", "2-4=green lime", "4-6=cherry"]
        output = self.run_program(PROGRAM, COLOR_MODEL, "out.safetensors", self.clip().as_uri(), *ranges)
        self.assertRegex(output, r"(?m)^generation \d+, [\w-]+: 'cherry' 'green lime'$")
        # Of 150 frames; a frame that comes while the learner looks at the candidates is no candidate.
        self.assertIn(int(re.search(r"(\d+) pictures labelled", output)[1]), range(100, 151))
        self.assertEqual(sorted(labels_of(self.folder / "out.safetensors")), sorted(TINTS))

    def test_they_say_what_is_wrong(self):
        self.assertIn("none.safetensors", self.run_program(PROGRAM, "none.safetensors", "out.safetensors",
                                                           self.clip().as_uri(), "0-1=a", status=1))
        self.assertIn("0:1", self.run_program(PROGRAM, COLOR_MODEL, "out.safetensors", "file:///x", "0:1=a", status=1))
        errors = self.run_program("/usr/bin/python3", SOURCE / "pipelines/embed/learn.py", "none.safetensors",
                                  "out.safetensors", "pictures", status=1)
        self.assertIn("none.safetensors", errors)
        self.assertNotIn("CRITICAL", errors)

    @unittest.skipUnless(FT_TOOL.exists(), "not tested: ft-tool is not built")
    def test_ft_tool_live_repeats_a_pipelines_run_with_the_same_bits(self):
        pipeline = Gst.parse_launch(
            f'filesrc location="{self.clip(turns=4)}" ! decodebin ! videoconvert ! resnetfinetune name=learner '
            f'base-model-file="{MODEL}" replay-location="{self.folder}/store" sample-interval=1 train=manual '
            "instant-head=off gate-min-samples=5 holdout-block=500000000 holdout-gap=100000000 holdout-fraction=0.5 "
            "learning-rate=0.1 seed=4 finish-on-eos=true ! fakesink")
        self.addCleanup(pipeline.set_state, Gst.State.NULL)
        learner = pipeline.get_by_name("learner")
        pad, told = learner.get_static_pad("sink"), []

        def label(_, info):
            now = info.get_buffer().pts
            name = list(TINTS)[now // (2 * Gst.SECOND) % 2]
            if told[-1:] != [name]:
                told.append(name)
                learner.set_property("label", name)
            return Gst.PadProbeReturn.OK

        pad.add_probe(Gst.PadProbeType.BUFFER, label)
        pipeline.set_state(Gst.State.PLAYING)
        bus = pipeline.get_bus()

        def wait_for(kinds):
            message = bus.timed_pop_filtered(HANG_GUARD_S * Gst.SECOND, kinds | Gst.MessageType.ERROR)
            self.assertIsNotNone(message)
            self.assertNotEqual(message.type, Gst.MessageType.ERROR)
            return message

        wait_for(Gst.MessageType.EOS)
        self.assertTrue(learner.emit("train-now"))
        event = ""
        while event != "promoted":
            structure = wait_for(Gst.MessageType.ELEMENT).get_structure()
            event = structure.get_string("event")
            self.assertNotIn(event, ("error", "not-trained"), structure.to_string())
            if event == "gate":
                self.assertEqual(structure.get_string("verdict"), "promoted", structure.to_string())
        self.assertTrue(learner.emit("save", str(self.folder / "pipeline.safetensors")))
        pipeline.set_state(Gst.State.NULL)

        self.run_program(FT_TOOL, "live", "--store", "store", "--model-file", MODEL, "--gate-min-samples", 5,
                         "--learning-rate", 0.1, "--seed", 4, "--output", "tool.safetensors")
        self.assertEqual(labels_of(self.folder / "pipeline.safetensors"), list(TINTS))
        learned, repeated = (tensors_of(self.folder / f"{name}.safetensors") for name in ("pipeline", "tool"))
        self.assertEqual([name for name in learned if learned[name] != repeated[name]], [])


if __name__ == "__main__":
    tap.main()
