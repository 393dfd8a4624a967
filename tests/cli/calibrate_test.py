# SPDX-License-Identifier: MIT
"""ft-tool calibrate and average."""
import os
import struct

import cli
import training


class Calibrate(training.TrainCase):
    def data_of(self, each):
        training.write_part(self.folder / f"judge{each}", each, 5)
        return self.folder / f"judge{each}"

    def test_the_temperature_goes_into_the_card_and_eval_uses_it(self):
        data = self.data_of(50)
        before = self.json_of("eval", "--model-file", self.base, "--data", data)
        answer = self.json_of("calibrate", "--model-file", self.base, "--data", data)
        self.assertTrue(answer["fitted"])
        self.assertEqual(answer["old-temperature"], 1)
        self.assertEqual(training.card_of(self.base)["temperature"], answer["temperature"])
        after = self.json_of("eval", "--model-file", self.base, "--data", data)
        self.assertAlmostEqual(answer["loss-before"], before["loss"], places=6)
        self.assertAlmostEqual(answer["ece-before"], before["ece"], places=6)
        self.assertEqual(after["top1"], before["top1"])
        self.assertLess(after["loss"], before["loss"])

    def test_the_weights_stay_as_they_are(self):
        before = training.weights_hash(self.base)
        self.run_tool("calibrate", "--model-file", self.base, "--data", self.data_of(50))
        self.assertEqual(training.weights_hash(self.base), before)

    def test_few_samples_keep_the_temperature_and_say_so(self):
        with open(self.base, "rb") as file:
            before = file.read()
        done = self.run_tool("calibrate", "--model-file", self.base, "--data", self.data_of(10))
        self.assertIn("stays 1: 30 samples", done.stdout)
        with open(self.base, "rb") as file:
            self.assertEqual(file.read(), before)

    def test_output_names_another_file(self):
        target = self.folder / "calibrated.pth"
        answer = self.json_of("calibrate", "--model-file", self.base, "--data", self.data_of(50), "--output", target)
        self.assertEqual(answer["model-file"], str(target))
        self.assertEqual(training.card_of(self.base)["temperature"], 1)
        again = self.json_of("calibrate", "--model-file", target, "--data", self.data_of(50), "--output",
                             self.folder / "x.pth")
        self.assertEqual(again["old-temperature"], answer["temperature"])

    def test_a_published_checkpoint_is_not_written_over(self):
        path = self.folder / "a.pth"
        self.run_tool("convert", self.base, path)
        done = self.run_tool("calibrate", "--model-file", path, "--data", self.data_of(10), status=cli.USAGE)
        self.assert_error(done, str(path), "--output")

    def test_folders_that_the_model_does_not_know_are_listed(self):
        training.write_part(self.folder / "odd", 3, 5, ["red", "violet"])
        done = self.run_tool("calibrate", "--model-file", self.base, "--data", self.folder / "odd",
                             status=cli.INCOMPATIBLE)
        self.assert_error(done, "violet")

    def test_a_label_of_two_classes_cannot_be_told_from_a_folder(self):
        training.write_part(self.folder / "twice", 3, 5, ["crane", "owl"])
        model = self.model(["crane", "owl", "crane"], name="twice.safetensors")
        for verb in ("calibrate", "eval"):
            done = self.run_tool(verb, "--model-file", model, "--data", self.folder / "twice", status=cli.INCOMPATIBLE)
            self.assert_error(done, "called 'crane'", "--labels-file")

    def test_bare_weights_take_the_sorted_folders_and_say_so(self):
        done = self.run_tool("calibrate", "--model-file", self.model(None, 3, name="bare.safetensors"), "--data",
                             self.data_of(4))
        self.assertIn("the sorted folders are taken, 'blue', 'green', 'red'", done.stderr)

    def test_a_picture_that_cannot_be_read_is_counted_and_the_status_is_1(self):
        data = self.data_of(50)
        self.write("judge50/red/zz.png", b"x")
        done = self.run_tool("calibrate", "--model-file", self.base, "--data", data, "--json", status=1)
        self.assertIn("zz.png", done.stderr)


class Average(training.TrainCase):
    def setUp(self):
        super().setUp()
        self.other = self.model(seed=4, name="other.safetensors")
        self.target = self.folder / "mean.safetensors"

    def values(self, path, name):
        data = training.tensors_of(path)[name]
        return struct.unpack(f"<{len(data) // 4}f", data)

    def assert_mixed(self, shares, paths):
        for name in ("conv1.weight", "linear.weight", "bn1.running_var"):
            rows = zip(*(self.values(path, name) for path in paths), self.values(self.target, name))
            for *parts, mean in rows:
                expected = sum(share * part for share, part in zip(shares, parts))
                self.assertAlmostEqual(mean, expected, delta=1e-6 * max(1, abs(expected)))

    def test_the_soup_is_the_mean_of_all(self):
        third = self.model(seed=5, name="third.safetensors")
        answer = self.json_of("average", self.base, self.other, third, "--output", self.target)
        self.assertEqual(answer["shares"], [1 / 3] * 3)
        self.assert_mixed([1 / 3] * 3, [self.base, self.other, third])
        parents = training.card_of(self.target)["provenance"]["averaged"]
        self.assertEqual([row["parent"] for row in parents],
                         [self.json_of("inspect", path)["sha256"] for path in (self.base, self.other, third)])

    def test_alpha_is_the_share_of_the_second(self):
        self.run_tool("average", self.base, self.other, "--alpha", 0.25, "--output", self.target)
        self.assert_mixed([0.75, 0.25], [self.base, self.other])

    def test_alpha_is_chosen_on_the_validation_folder(self):
        tuned = self.train("--epochs", 8, "--lr", 0.05, "--crop", "none")["model-file"]
        answer = self.json_of("average", self.base, tuned, "--data", self.data / "val", "--output", self.target)
        rows = answer["candidates"]
        self.assertEqual([row["alpha"] for row in rows], [step / 10 for step in range(11)])
        best = max(rows, key=lambda row: (row["top1"], -row["loss"]))
        self.assertEqual(answer["alpha"], best["alpha"])
        measured = self.json_of("eval", "--model-file", self.target, "--data", self.data / "val")
        self.assertEqual(measured["top1"], best["top1"])
        ends = [self.json_of("eval", "--model-file", path, "--data", self.data / "val")["top1"]
                for path in (self.base, tuned)]
        self.assertEqual([rows[0]["top1"], rows[-1]["top1"]], ends)
        self.assertGreaterEqual(best["top1"], max(ends))

    def test_models_that_do_not_fit_are_named_with_what_differs(self):
        others = {"classes": self.model(["red", "green"], name="two.safetensors"),
                  "labels": self.model(["red", "green", "cyan"], name="cyan.safetensors")}
        layer = self.folder / "layer.safetensors"
        self.run_tool("convert", self.base, layer, "--norm", "layer")
        others["normalisation"] = layer
        large = self.folder / "large.safetensors"
        self.run_tool("convert", self.base, large, "--input-size", 64)
        others["preprocessing"] = large
        for what, path in others.items():
            done = self.run_tool("average", self.base, path, "--output", self.target, status=cli.INCOMPATIBLE)
            self.assert_error(done, str(path), what)
        self.assertFalse(os.path.exists(self.target))

    def test_wrong_usage_says_what_is_right(self):
        for arguments, part in (((self.base,), "two models"), ((self.base, self.other), "--output"),
                                ((self.base, self.other, "--output", "x.txt"), ".safetensors"),
                                ((self.base, self.other, self.base, "--alpha", 1, "--output", self.target), "--alpha")):
            self.assert_error(self.run_tool("average", *arguments, status=cli.USAGE), part)


if __name__ == "__main__":
    cli.main()
