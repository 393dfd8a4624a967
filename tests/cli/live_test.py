# SPDX-License-Identifier: MIT
"""ft-tool live: a labelled recording, or a store, through the learner: the same bits each time, and errors with a line."""
import random
import subprocess
import unittest

import cli
import training

RATE, TURN, TURNS = 10, 10, 36  # frames
CLASSES = ("red", 'a "green", quoted', "blåu")
QUICK = ("--sample-interval", 1, "--holdout-block", 500000000, "--holdout-gap", 100000000, "--gate-min-samples", 10,
         "--min-samples", 24, "--min-new-samples", 60, "--learning-rate", 0.1)
# A trained net: to one with random weights all pictures are near-duplicates.
BASES = [path for path in (cli.ROOT / "pipelines/models/cifar10-resnet32.safetensors",
                           cli.DATA / "weights/resnet20-12fca82f.th") if path.exists()]
HAS_VIDEO = subprocess.run(["gst-inspect-1.0", "matroskamux"], capture_output=True).returncode == 0


def patch_png(draw, colour):
    """A patch of the colour in noise, in its own light."""
    left, top, light, contrast = draw.randrange(12), draw.randrange(12), draw.randrange(90), draw.randrange(20, 70)

    def pixel(x, y):
        value = [light + draw.randrange(contrast) for _ in range(3)]
        if left <= x < left + 20 and top <= y < top + 20:
            value[colour] += 90
        return value

    return cli.png(32, 32, pixel)


def quoted(label):
    return '"' + label.replace('"', '""') + '"'


@unittest.skipUnless(HAS_VIDEO, "not tested: GStreamer's plugins are not installed")
@unittest.skipUnless(BASES, "not tested: there is no CIFAR net in pipelines/models or RESNETFT_DATA")
class Recording(cli.Case):
    """Patches of three colours take turns of a second; the last six turns are to judge."""

    @classmethod
    def setUpClass(cls):
        draw = random.Random(5)
        cls.frames = [patch_png(draw, number // TURN % 3) for number in range(TURN * TURNS)]
        cls.spans = [(turn * TURN / RATE, (turn + 1) * TURN / RATE, CLASSES[turn % 3],
                      "judge" if turn >= TURNS - 6 else "learn") for turn in range(TURNS)]

    def setUp(self):
        super().setUp()
        self.base = BASES[0]
        for number, frame in enumerate(self.frames):
            self.write(f"frames/{number:05}.png", frame)
        self.video = str(self.folder / "clip.mkv")
        subprocess.run(["gst-launch-1.0", "-q", "multifilesrc", f"location={self.folder}/frames/%05d.png",
                        f"caps=image/png,framerate={RATE}/1", "!", "pngdec", "!", "videoconvert", "!", "jpegenc", "quality=95",
                        "!", "matroskamux", "!", "filesink", f"location={self.video}"], check=True)
        self.labels = self.write("labels.csv", "# from,to,label,use\n\n" + "".join(
            f"{start},{end},{quoted(label)},{use}\r\n" for start, end, label, use in self.spans))

    def live(self, *more, **options):
        return self.json_of("live", "--input", self.video, "--labels", self.labels, "--model-file", self.base, *QUICK, *more,
                            **options)

    def test_it_learns_what_the_labels_say_and_judges_what_it_was_not_told(self):
        answer = self.live("--output", self.folder / "out.safetensors")
        self.assertEqual((answer["frames"], answer["offered"]), (TURN * TURNS, TURN * (TURNS - 6)))
        self.assertEqual(answer["judged"]["pictures"], 60)
        self.assertGreater(answer["judged"]["accuracy"], 0.75)  # chance: a third
        self.assertGreaterEqual(answer["runs"], 1)
        self.assertEqual(sorted(answer["samples"]["train-per-class"]), sorted(CLASSES))
        self.assertGreater(answer["samples"]["holdout"], 10)
        self.assertEqual(sorted(training.card_of(self.folder / "out.safetensors")["labels"]), sorted(CLASSES))
        self.assertEqual(answer["generations"][-1]["generation"], answer["generation"])
        self.assertIn(answer["gates"][-1]["verdict"], ("promoted", "rejected", "undecided"))

    def test_twice_gives_the_same_bits(self):
        answers = [self.live("--output", self.folder / f"{i}.safetensors") for i in range(2)]
        first, second = (training.weights_hash(self.folder / f"{i}.safetensors") for i in range(2))
        self.assertEqual(first, second)
        self.assertEqual(answers[0], answers[1])
        other = self.live("--output", self.folder / "other.safetensors", "--seed", 1)
        self.assertNotEqual(training.weights_hash(self.folder / "other.safetensors"), first, other["generation"])

    def test_a_store_repeats_the_run_that_was_made_on_it(self):
        once = ("--train", "manual", "--learning-rate", 0.2)
        first = self.live(*once, "--instant-head", "off", "--replay-location", self.folder / "store", "--output",
                          self.folder / "first.safetensors")
        self.assertEqual(first["runs"], 1)
        before = {path.name: path.read_bytes() for path in (self.folder / "store").iterdir()}
        again = self.json_of("live", "--store", self.folder / "store", "--model-file", self.base, "--gate-min-samples", 10,
                             "--learning-rate", 0.2, "--output", self.folder / "again.safetensors")
        self.assertEqual([entry["candidate-kind"] for entry in again["generations"]], ["head"])
        self.assertEqual(training.tensors_of(self.folder / "first.safetensors"),
                         training.tensors_of(self.folder / "again.safetensors"))
        self.assertEqual(again["samples"]["train"], first["samples"]["train"])
        self.assertEqual({path.name: path.read_bytes() for path in (self.folder / "store").iterdir()}, before)

    def test_a_folder_is_judged_as_generations_come(self):
        names = {"red": 0, CLASSES[1]: 1, CLASSES[2]: 2}
        draw = random.Random(9)
        for label, colour in names.items():
            for i in range(6):
                self.write(f"eval/{label}/{i}.png", patch_png(draw, colour))
        answer = self.live("--eval", self.folder / "eval", "--eval-interval", 2)
        times = [entry["running-time"] for entry in answer["eval"]]
        self.assertGreaterEqual(len(times), 3)
        self.assertTrue(all(b - a >= 2e9 for a, b in zip(times[:-1], times[1:-1])), times)
        self.assertEqual({entry["pictures"] for entry in answer["eval"]}, {18})
        self.assertGreater(answer["eval"][-1]["accuracy"], answer["eval"][0]["accuracy"])

    def test_people_read_a_timeline(self):
        text = self.run_tool("live", "--input", self.video, "--labels", self.labels, "--model-file", self.base, *QUICK).stdout
        self.assertRegex(text, r"(?m)^0:00\.000  label      red$")
        self.assertRegex(text, r"(?m)^0:\d\d\.\d{3}  promoted   generation \d+, instant-head: red")
        self.assertRegex(text, r"(?m)^0:\d\d\.\d{3}  gate       head \w+: macro-f1 \d\.\d{3} against ")
        self.assertRegex(text, r"(?m)^right on frames to judge: \d+ of 60, ")

    def test_a_store_becomes_a_folder_that_train_takes(self):
        self.live("--replay-location", self.folder / "store", "--store-frames")
        store, parts = self.folder / "store", self.folder / "parts"
        before = {path.name: path.read_bytes() for path in store.iterdir()}
        counts = self.json_of("dataset", "from-store", store, "--output", parts)
        self.assertEqual({path.name: path.read_bytes() for path in store.iterdir()}, before)
        for part in ("train", "val"):
            self.assertEqual(len(list((parts / part).glob("*/*.png"))), counts[part])
            self.assertGreater(counts[part], 0)
        answer = self.json_of("train", "--data", parts, "--output", self.folder / "run", "--model-file", self.base,
                              "--trainable", "head", "--epochs", 1)
        self.assertEqual(answer["epochs"], 1)
        self.assertIn(str(parts), self.run_tool("dataset", "from-store", store, "--output", parts, status=cli.USAGE).stderr)

    def test_what_is_no_store_is_named_as_it_was_given(self):
        self.write("foreign/store.resnetft", b"not a store at all, but long enough")
        foreign = self.folder / "foreign"
        for verb in (("live", "--store", foreign, "--model-file", self.base),
                     ("dataset", "from-store", foreign, "--output", self.folder / "parts")):
            self.assert_error(self.run_tool(*verb, status=cli.CORRUPT), str(foreign / "store.resnetft"))

    def test_a_store_needs_two_classes_and_says_so(self):
        self.labels = self.write("one.csv", "0,12,red\n")
        self.live("--replay-location", self.folder / "store")
        done = self.run_tool("live", "--store", self.folder / "store", "--model-file", self.base, "--json",
                             status=cli.INCOMPATIBLE)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"(?m)^ft-tool: store '.*/store': no run began; .*'red'.* another class")


class Words(cli.Case):
    def refused(self, *arguments, status=cli.USAGE):
        return self.run_tool("live", *arguments, status=status)

    def test_an_error_in_the_labels_names_file_and_line(self):
        for text, line, words in (("0,1,a\n2,3\n", 2, "fields"), ("0,1,a\n# two\n\n1,x,b\n", 4, "'x'"),
                                  ("3,3,a\n", 1, "before it begins"), ("0,1,\n", 1, "empty"), ("0,1,a,train\n", 1, "'train'"),
                                  ("0,2,a\n1,3,b\n", 2, "'a'"), ('0,1,"two\nlines"\n1,2,c,d\n', 3, "'d'"),
                                  ('0,1,a\n1,2,"b\n', 2, "never closed"), ("-1,1,a\n", 1, "'-1'"), ("0,inf,a\n", 1, "'inf'")):
            with self.subTest(text):
                labels = self.write("labels.csv", text)
                done = self.refused("--input", "x.mkv", "--labels", labels, "--model-file", self.model(), status=cli.CORRUPT)
                self.assert_error(done, labels, f"line {line}:", words)

    def test_labels_that_are_not_utf8_and_empty_files_are_refused(self):
        for content, words in ((b"0,1,\xff\n", "UTF-8"), (b"# nothing\n", "no label")):
            labels = self.write("labels.csv", content)
            self.assert_error(self.refused("--input", "x", "--labels", labels, "--model-file", self.model(), status=cli.CORRUPT),
                              labels, words)

    def test_what_is_not_there_is_named(self):
        labels = self.write("labels.csv", "0,1,a\n")
        model = self.model()
        none = self.folder / "none"
        for arguments in (("--input", none, "--labels", labels, "--model-file", model),
                          ("--input", labels, "--labels", none, "--model-file", model),
                          ("--input", labels, "--labels", labels, "--model-file", none),
                          ("--input", labels, "--labels", labels, "--model-file", model, "--eval", none),
                          ("--store", none, "--model-file", model)):
            with self.subTest(arguments):
                self.assert_error(self.refused(*arguments, status=cli.NOT_FOUND), str(none))

    def test_words_that_do_not_belong_together_are_refused(self):
        for arguments, words in (((), "--input"), (("--input", "x"), "--labels"), (("--store", "s"), "--model-file"),
                                 (("--store", "s", "--input", "x"), "exclude"),
                                 (("--store", "s", "--model-file", "m", "--instant-head", "lda"), "--instant-head"),
                                 (("--input", "x", "--labels", "y", "--model-file", "m", "--output", "out.txt"), "out.txt"),
                                 (("extra",), "extra")):
            with self.subTest(arguments):
                self.assert_error(self.refused(*arguments), words)

    def test_every_option_of_the_element_is_there_or_belongs_to_pipelines(self):
        text = self.run_tool("live", "--help").stdout
        for option in ("replay-capacity", "holdout-block", "gate-significance", "trainable", "promotion", "rollback-window",
                       "learning-rate", "seed", "store-frames", "seed-dataset"):
            self.assertIn(f"--{option}", text)
        for option in ("duty-cycle", "label-source", "finish-on-eos"):
            self.assertNotIn(f"--{option}", text)


if __name__ == "__main__":
    cli.main()
