#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# pipelines/demo.sh as a user runs it, and its parts.
# arguments: source root, build root, a colour model's file
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
COLOR_MODEL = os.path.abspath(sys.argv[3])
del sys.argv[1:4]
sys.path += [str(SOURCE / "tests" / "support"), str(SOURCE / "pipelines" / "demo")]
import tap  # noqa: E402
from eventually import HANG_GUARD_S, eventually  # noqa: E402

import gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst

import accuracy  # noqa: E402
import keyboard  # noqa: E402
import labels  # noqa: E402
import scenes  # noqa: E402

Gst.init(None)
MODEL = SOURCE / "pipelines" / "models" / "cifar10-resnet32.safetensors"
WAITING = str(pathlib.Path(__file__).resolve().parent / "waiting")  # for its learner
CAMERA = ("videotestsrc is-live=true num-buffers=75 pattern=ball ! "
          "video/x-raw,format=RGBx,width=64,height=64,framerate=25/1 ! agingtv")


def processor_time_s():
    """Of all programs that were run."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Demo(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def demo(self, *arguments, status=0, keys="", **variables):
        """What it prints; its files are in self.folder."""
        done = subprocess.run([SOURCE / "pipelines" / "demo.sh", "--build-dir", BUILD, *arguments], cwd=self.folder, input=keys,
                              capture_output=True, text=True, env=dict(os.environ, **variables), timeout=HANG_GUARD_S)
        self.assertEqual(done.returncode, status, done.stdout[-3000:] + done.stderr[-2000:])
        return done.stdout if status == 0 else done.stderr

    @unittest.skipUnless(MODEL.exists(), f"not tested: there is no {MODEL}")
    def test_it_learns_three_things_that_the_model_does_not_know(self):
        begin = processor_time_s()
        output = self.demo(PYTHONPATH=WAITING)
        # It keeps up with the stream, even on one processor.
        self.assertLess(processor_time_s() - begin, scenes.spans()[-1].end / Gst.SECOND)
        figure = {name: float(value) for name, value in re.findall(r"^demo: ([^:\n]+)(?:: [^:\n]+)?: ([\d.]+)$", output, re.M)}
        self.assertGreaterEqual(figure["accuracy after"], 0.95)
        self.assertLessEqual(figure["accuracy before"], figure["accuracy after"] - 0.3)
        promotions = re.findall(r"^ +(\d+:\d\d\.\d{3})  promoted generation \d+, ([\w-]+): (.*)$", output, re.M)
        self.assertNotIn("ball", promotions[0][2])  # it comes later, and is added
        self.assertEqual(set(promotions[-1][2].split(", ")), set(scenes.THINGS))
        self.assertRegex(output, r"(?m)^ +\d+:\d\d\.\d{3}  gate     head (promoted|rejected): macro-f1 ")
        out = self.folder / "demo-out"
        self.assertGreater((out / "annotated.mkv").stat().st_size, 100000)
        self.assertIn("accuracy after", (out / "report.html").read_text())
        known = subprocess.run([BUILD / "tools" / "ft-tool", "inspect", out / "model.safetensors"], capture_output=True, text=True)
        for thing in scenes.THINGS:
            self.assertIn(thing, known.stdout)

    def test_a_recording_of_ones_own_is_learned_and_judged(self):
        subprocess.run(["gst-launch-1.0", "-q", "concat", "name=all", "!", "jpegenc", "!", "matroskamux", "!", "filesink",
                        f"location={self.folder}/own.mkv"] + [word for pattern in ("red", "green") * 3 for word in (
                            "videotestsrc num-buffers=50 pattern=solid-color foreground-color="
                            f"{'0xffff0000' if pattern == 'red' else '0xff00ff00'} ! "
                            "video/x-raw,format=RGBx,width=64,height=64,framerate=25/1 ! agingtv color-aging=false ! all.").split()],
                       check=True)
        (self.folder / "own.csv").write_text("0,2,cherry\n2,4,lime\n# time to learn, then\n8,10,cherry,judge\n10,12,lime,judge\n")
        output = self.demo("--model", COLOR_MODEL, "--input", "own.mkv", "--labels", "own.csv", "--out", "out",
                           PYTHONPATH=WAITING)
        self.assertRegex(output, r"(?m)^ +0:00\.000  label    cherry$")
        self.assertRegex(output, r"(?m)^ +0:\d\d\.\d{3}  promoted generation \d+, instant-head: cherry, lime$")
        self.assertRegex(output, r"(?m)^demo: accuracy after: 1\.000$")
        self.assertRegex(output, r"(?m)^demo: accuracy before: the base model, its own names: 0\.000$")
        self.assertIn("renamed in hindsight, as well as can be: 1.000", output)
        self.assertTrue((self.folder / "out" / "model.safetensors").exists())

    def test_a_camera_is_labelled_by_keys(self):
        output = self.demo("--model", COLOR_MODEL, "--camera", CAMERA, "--names", "cup,pen", "--out", "out", keys="2")
        self.assertRegex(output, r"(?m)^ +0:0\d\.\d{3}  label    pen$")
        self.assertIn("annotated.mkv", output)

    def test_q_ends_it(self):
        output = self.demo("--model", COLOR_MODEL, "--camera", CAMERA.replace("num-buffers=75", ""), "--out", "out", keys="q")
        self.assertIn("annotated.mkv", output)

    def test_what_is_missing_is_named(self):
        for arguments, variables, status, words in (
                (("--model", "/nowhere/net.pth"), {}, 1, "/nowhere/net.pth"),
                (("--model", COLOR_MODEL, "--input", "own.mkv"), {}, 2, "--labels"),
                (("--model", COLOR_MODEL, "--input", "own.mkv", "--labels", "none.csv"), {}, 1, "none.csv"),
                (("--model", COLOR_MODEL, "--camera", "nosuchsrc"), {}, 1, "nosuchsrc"),
                (("--model", COLOR_MODEL, "--show"), {"DISPLAY": "", "WAYLAND_DISPLAY": ""}, 2, "display"),
                (("--model", str(SOURCE / "README.md"), "--camera", CAMERA), {}, 1, "README.md")):
            with self.subTest(arguments):
                self.assertIn(words, self.demo(*arguments, status=status, **variables))


class Labels(unittest.TestCase):
    def read(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".csv", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            return labels.read(file.name)

    def test_quotes_commas_and_comments_are_those_of_the_tool(self):
        spans = self.read('# a comment\n0,1.5,"a ""cup"", red"\n\n2,3,stift ü,judge\n')
        self.assertEqual(spans, [labels.Span(0, 1500000000, 'a "cup", red', "learn"),
                                 labels.Span(2000000000, 3000000000, "stift ü", "judge")])

    def test_what_cannot_be_is_refused(self):
        for text in ("0,1\n", "1,1,a\n", "x,1,a\n", "0,1,\n", "0,1,a,train\n", "0,inf,a\n", "0,2,a\n1,3,b\n"):
            with self.subTest(text), self.assertRaises(labels.BadLabels):
                self.read(text)

    def test_a_span_holds_from_its_start_to_before_its_end(self):
        track = labels.Track([labels.Span(10, 20, "a", "learn"), labels.Span(20, 30, "b", "judge")])
        self.assertEqual([getattr(track.at(time), "label", None) for time in (9, 10, 19, 20, 29, 30)],
                         [None, "a", "a", "b", "b", None])


class Accuracy(unittest.TestCase):
    def test_hindsight_gives_each_answer_what_it_met_most_often(self):
        pairs = [("cup", "ship"), ("cup", "ship"), ("pen", "ship"), ("pen", "cat"), ("pen", "cat")]
        self.assertEqual(accuracy.accuracy(pairs), 0)
        self.assertAlmostEqual(accuracy.renamed_in_hindsight(pairs), 4 / 5)


class Keys(unittest.TestCase):
    def test_a_key_holds_its_label_until_it_comes_again(self):
        keys = keyboard.Keyboard(["cup", "pen"])
        seen = []
        for key in "1203113q":
            keys.press(key)
            seen.append(keys.label)
        self.assertEqual(seen, ["cup", "pen", "", "", "cup", "", "", ""])
        self.assertTrue(keys.over)


class Scenes(unittest.TestCase):
    def test_the_third_thing_comes_later_and_all_are_judged(self):
        spans = scenes.spans()
        first = {label: min(span.start for span in spans if span.label == label) for label in scenes.THINGS}
        self.assertGreater(first["ball"], 10 * Gst.SECOND)
        self.assertEqual({span.label for span in spans if span.use == "judge"}, set(scenes.THINGS))
        self.assertEqual([span.start for span in spans[1:]], [span.end for span in spans[:-1]])
        self.assertLess(spans[-1].end, 75 * Gst.SECOND)

    def test_no_two_frames_are_equal(self):
        pipeline = Gst.parse_launch(scenes.description() + " ! fakesink name=sink signal-handoffs=true")
        scenes.animate(pipeline)
        frames = []
        pipeline.get_by_name("sink").connect(
            "handoff", lambda _, buffer, __: frames.append(hash(buffer.extract_dup(0, buffer.get_size()))))
        pipeline.set_state(Gst.State.PLAYING)
        eventually(lambda: len(frames) >= 100, "100 frames")
        pipeline.set_state(Gst.State.NULL)
        self.assertEqual(len(set(frames)), len(frames))


if __name__ == "__main__":
    tap.main()
