# SPDX-License-Identifier: MIT
"""ft-tool benchmark: the keys of its JSON, and that they agree with each other."""
import os

import cli

KEYS = ["what", "arch", "batch-size", "precision", "engine", "device", "threads", "images-per-second", "latency-ms",
        "iterations", "rss-bytes"]
SHORT = ("--seconds", "0.3", "--warmup", "0")


class Benchmark(cli.Case):
    def check(self, answer):
        self.assertEqual(list(answer), KEYS)
        latency = answer["latency-ms"]
        self.assertLessEqual(0, latency["p50"])
        self.assertLessEqual(latency["p50"], latency["p95"])
        self.assertLessEqual(latency["p95"], latency["p99"])
        self.assertGreater(answer["images-per-second"], 0)
        self.assertGreater(answer["iterations"], 0)
        self.assertGreater(answer["rss-bytes"], 1 << 20)

    def test_inference_with_random_weights(self):
        answer = self.json_of("benchmark", "--arch", "resnet20", "--batch-size", 4, "--threads", 1, *SHORT)
        self.check(answer)
        self.assertEqual((answer["what"], answer["arch"], answer["batch-size"]), ("inference", "resnet20", 4))
        self.assertEqual((answer["device"], answer["precision"], answer["threads"]), ("cpu", "fp32", 1))
        self.assertIn(answer["engine"], ("onednn", "reference"))

    def test_a_small_net_takes_one_thread_and_a_large_one_all(self):
        self.assertEqual(self.json_of("benchmark", "--arch", "resnet20", "--batch-size", 1, *SHORT)["threads"], 1)
        if len(os.sched_getaffinity(0)) < 18:  # ResNet-18: 1.8 * 10^9 multiply-adds
            self.assertEqual(self.json_of("benchmark", "--arch", "resnet18", "--batch-size", 1, *SHORT)["threads"],
                             len(os.sched_getaffinity(0)))

    def test_inference_with_a_model_file(self):
        answer = self.json_of("benchmark", "--model-file", self.model(), *SHORT)
        self.check(answer)
        self.assertEqual(answer["arch"], "resnet20")

    def test_preprocess_needs_no_model(self):
        answer = self.json_of("benchmark", "--what", "preprocess", *SHORT)
        self.check(answer)
        self.assertIsNone(answer["engine"])
        self.assertEqual(answer["threads"], 1)

    def test_data_reads_the_pictures_of_a_folder(self):
        for i in range(3):
            self.write(f"data/{i}.png", cli.plain_png(i, i, i))
        answer = self.json_of("benchmark", "--what", "data", "--data", self.folder / "data", "--workers", 3, *SHORT)
        self.check(answer)
        self.assertEqual((answer["threads"], answer["batch-size"]), (3, 8))

    def test_data_without_a_folder_or_with_a_bad_picture_is_an_error(self):
        self.assert_error(self.run_tool("benchmark", "--what", "data", status=cli.USAGE), "--data")
        self.write("data/bad.png", b"x")
        done = self.run_tool("benchmark", "--what", "data", "--data", self.folder / "data", status=cli.CORRUPT)
        self.assert_error(done, "bad.png")

    def test_text_is_one_line(self):
        text = self.run_tool("benchmark", "--what", "preprocess", *SHORT).stdout
        self.assertRegex(text, r"^preprocess: \d+\.\d images/s, .*p50 .*\n$")


if __name__ == "__main__":
    cli.main()
