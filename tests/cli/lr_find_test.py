# SPDX-License-Identifier: MIT
"""ft-tool lr-find: the suggested rate, the curve, and what it leaves alone."""
import pathlib

import cli
import training


class LrFind(training.TrainCase):
    def arguments(self, *more):
        return ["lr-find", "--data", self.data, "--model-file", self.base, "--batch-size", 4, "--trainable", "all",
                "--steps", 20, *more]

    def test_the_rate_rises_linearly_and_a_tenth_of_the_lowest_loss_is_suggested(self):
        answer = self.json_of(*self.arguments("--max-lr", 0.02))
        steps = answer["steps"]
        self.assertEqual(len(steps), 20)
        self.assertFalse(answer["diverged"])
        self.assertAlmostEqual(steps[0]["lr"], 0.0002, places=8)  # a hundredth
        rises = [after["lr"] - before["lr"] for before, after in zip(steps, steps[1:])]
        self.assertAlmostEqual(min(rises), max(rises), places=9)
        lowest = min(steps, key=lambda step: step["smoothed-loss"])
        self.assertEqual(answer["lowest-loss-lr"], lowest["lr"])
        self.assertAlmostEqual(answer["suggested-lr"], lowest["lr"] / 10)

    def test_a_rate_that_breaks_learning_ends_the_test(self):
        answer = self.json_of(*self.arguments("--max-lr", 1e6))
        self.assertTrue(answer["diverged"])
        self.assertLess(len(answer["steps"]), 20)

    def test_the_curve_is_a_picture_and_the_model_stays_as_it_was(self):
        before = pathlib.Path(self.base).read_bytes()
        svg = self.folder / "lr.svg"
        done = self.run_tool(*self.arguments("--svg", svg))
        self.assertIn("suggested lr", done.stdout)
        self.assertTrue(svg.read_text().startswith("<svg "))
        self.assertIn("<polyline", svg.read_text())
        self.assertEqual(pathlib.Path(self.base).read_bytes(), before)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["data", "lr.svg", "model.safetensors"])

    def test_what_is_needed_is_asked_for(self):
        self.assert_error(self.run_tool("lr-find", "--model-file", self.base, status=cli.USAGE), "--data")


if __name__ == "__main__":
    cli.main()
