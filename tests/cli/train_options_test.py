# SPDX-License-Identifier: MIT
"""Each option of ft-tool train is explained once, and changes the run as it says."""
import json
import math
import os
import re
import shutil
import struct

import cli
import training

# Option -> (value or None for a switch, what both runs have beside it). The run with it must leave other weights or
# other metrics than the run without.
CHANGES = {
    "trainable": ("head", ()),
    "head-epochs": (1, ()),
    "norm": ("layer", ()),
    "norm-train-affine": (None, ("--norm", "frozen")),
    "adapt-norm": (16, ()),
    "input-size": (48, ()),
    "train-crop-size": (40, ()),
    "val-resize-size": (40, ("--resize-mode", "crop")),
    "val-crop-size": (40, ()),
    "resize-mode": ("letterbox", ()),
    "interpolation": ("bicubic", ("--input-size", 48)),
    "mean": ("0.4,0.5,0.6", ()),
    "std": ("0.2,0.3,0.4", ()),
    "epochs": (1, ()),
    "batch-size": (4, ()),
    "grad-accum-steps": (2, ()),
    "opt": ("adam", ()),
    "lr": (0.1, ()),
    "momentum": (0.5, ()),
    "weight-decay": (0.1, ()),
    "norm-weight-decay": (0.5, ()),
    "bias-weight-decay": (0.5, ()),
    "layer-decay": (0.5, ()),
    "clip-grad-norm": (0.01, ()),
    "lr-scheduler": ("constant", ()),
    "lr-warmup-epochs": (1, ()),
    "lr-min": (0.005, ("--lr", 0.01)),
    "lr-step-size": (1, ("--lr-scheduler", "step")),
    "lr-gamma": (0.5, ("--lr-scheduler", "step", "--lr-step-size", 1)),
    "label-smoothing": (0.1, ()),
    "class-weights": ("inverse", ()),
    "sampler": ("balanced", ()),
    "crop": ("none", ()),
    "scale-min": (0.7, ("--crop", "random-resized")),
    "hflip": (0, ()),
    "color-jitter": (0.5, ()),
    "auto-augment": ("ta-wide", ()),
    "random-erase": (1, ()),
    "mixup-alpha": (1, ()),
    "cutmix-alpha": (1, ()),
    "ra-reps": (2, ()),
    "model-ema": (None, ()),
    "model-ema-steps": (1, ("--model-ema",)),
    "model-ema-decay": (0.5, ("--model-ema", "--model-ema-steps", 1)),
    "early-stop-patience": (1, ("--lr", 1e-9, "--epochs", 5)),
    "precision": ("bf16", ()),
    "seed": (1, ()),
    "cache": ("none", ("--trainable", "head", "--lr", 1)),
    "cache-max-bytes": (1, ("--trainable", "head", "--lr", 1)),
}
# Tested below or in train_test.py and train_resume_test.py.
ELSEWHERE = {"data", "output", "val-split", "val-data", "model-file", "labels-file", "arch", "allow-non-finite",
             "config", "resume", "json", "verbose", "device", "help", "max-time", "threads", "workers", "eval-metric",
             "fast-decode", "on-corrupt", "corrupt-budget", "checkpoint-interval", "checkpoint-hist", "deterministic"}


class Options(training.TrainCase):
    def setUp(self):
        super().setUp()
        shutil.rmtree(self.data)
        training.write_part(self.data / "train", 7, 1, size=(40, 32))
        training.write_part(self.data / "val", 3, 2, size=(40, 32))
        for i in range(5):  # more of one class than of the others
            shutil.copy(self.data / "train/red/000.png", self.data / f"train/red/more{i}.png")

    def footprint(self, *more, output):
        self.train(*more, output=output)
        result = (self.hash_of(output), training.metrics_of(self.folder / output))
        shutil.rmtree(self.folder / output)
        return result

    def check_changes(self, names):
        plain = {}
        for name in names:
            value, beside = CHANGES[name]
            if beside not in plain:
                plain[beside] = self.footprint(*beside, output="plain")
            option = (f"--{name}",) if value is None else (f"--{name}", value)
            with self.subTest(option=name):
                self.assertNotEqual(self.footprint(*beside, *option, output="changed"), plain[beside])

    def test_the_same_run_leaves_the_same_bits(self):
        self.assertEqual(self.footprint(output="a"), self.footprint(output="b"))

    def test_every_option_of_the_help_is_explained_once_and_tested(self):
        text = self.run_tool("train", "--help").stdout
        lines = re.findall(r"(?m)^  (?:-\w, )?--([\w-]+)(?:=\w+)? +(\S.*)$", text)
        names = [name for name, _ in lines]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(set(names), set(CHANGES) | ELSEWHERE)
        for group in ("What trains", "Normalisation", "Size", "Length and batch", "Optimiser", "Schedule", "Loss",
                      "Augmentation", "Averaging", "Machine", "Checkpoints"):
            self.assertRegex(text, rf"(?m)^{group}.*:$")

    def test_options_of_what_trains_change_the_run(self):
        self.check_changes(["trainable", "head-epochs", "norm", "norm-train-affine", "adapt-norm"])

    def test_options_of_size_change_the_run(self):
        self.check_changes(["input-size", "train-crop-size", "val-resize-size", "val-crop-size", "resize-mode",
                            "interpolation", "mean", "std"])

    def test_options_of_length_and_optimiser_change_the_run(self):
        self.check_changes(["epochs", "batch-size", "grad-accum-steps", "opt", "lr", "momentum", "weight-decay",
                            "norm-weight-decay", "bias-weight-decay", "layer-decay", "clip-grad-norm"])

    def test_options_of_schedule_and_loss_change_the_run(self):
        self.check_changes(["lr-scheduler", "lr-warmup-epochs", "lr-min", "lr-step-size", "lr-gamma",
                            "label-smoothing", "class-weights", "sampler"])

    def test_options_of_augmentation_change_the_run(self):
        self.check_changes(["crop", "scale-min", "hflip", "color-jitter", "auto-augment", "random-erase",
                            "mixup-alpha", "cutmix-alpha", "ra-reps"])

    def test_options_of_averaging_stopping_and_machine_change_the_run(self):
        self.check_changes(["model-ema", "model-ema-steps", "model-ema-decay", "early-stop-patience", "precision",
                            "seed", "cache", "cache-max-bytes"])

    def test_the_number_of_workers_changes_no_bit(self):
        one = self.footprint("--color-jitter", 0.3, "--workers", 1, output="a")
        for workers in (2, 7):
            self.assertEqual(self.footprint("--color-jitter", 0.3, "--workers", workers, output="b"), one)

    def test_deterministic_stands_in_args_ini_and_changes_no_bit(self):
        plain = self.footprint(output="plain")
        self.train("--deterministic")
        self.assertEqual((self.hash_of(), training.metrics_of(self.folder / "run")), plain)
        self.assertIn("\ndeterministic=true\n", (self.folder / "run/args.ini").read_text())

    def test_a_labels_file_names_the_classes_of_bare_weights(self):
        labels = self.write("labels.txt", "\n".join(training.CLASSES) + "\n")  # not sorted
        bare = self.model(None, 3, name="bare.safetensors")
        self.train("--labels-file", labels, base=bare, output="named")
        self.train(base=bare, output="sorted")
        first = [training.metrics_of(self.folder / name)[0] for name in ("named", "sorted")]
        self.assertEqual([line["epoch"] for line in first], [0, 0])
        self.assertNotEqual(first[0]["validation"]["loss"], first[1]["validation"]["loss"])

    def test_weights_that_are_not_finite_are_taken_only_where_that_is_allowed(self):
        tensors = cli.resnet20_tensors(3)
        shape, values = tensors["linear.weight"]
        tensors["linear.weight"] = (shape, struct.pack("<f", math.nan) + values[4:])
        base = self.folder / "nan.safetensors"
        cli.write_safetensors(base, tensors, cli.card_of(list(training.CLASSES), 3))
        done = self.run_tool(*self.arguments(base=base), status=cli.INCOMPATIBLE)
        self.assertIn("linear.weight", done.stderr)
        done = self.run_tool(*self.arguments("--allow-non-finite", base=base), status=cli.CHECK_FAILED)
        self.assertIn("step 1 (epoch 1) is not finite", done.stderr)

    def test_verbose_says_what_the_library_does(self):
        quiet, loud = (self.run_tool(*self.arguments(*more, output=f"run{len(more)}")).stderr
                       for more in ((), ("--verbose",)))
        self.assertGreater(len(loud.splitlines()), len(quiet.splitlines()))

    def test_threads_stand_in_args_ini(self):
        self.train("--threads", 2)
        self.assertIn("\nthreads=2\n", (self.folder / "run/args.ini").read_text())

    def test_the_best_is_chosen_by_the_metric(self):
        for metric, key, sign in (("top1", "top1", 1), ("macro-f1", "macro-f1", 1), ("loss", "loss", -1)):
            answer = self.train("--eval-metric", metric, "--epochs", 6, "--lr", 0.3, output=metric)
            trained = [line for line in training.metrics_of(self.folder / metric) if line["epoch"] > 0]
            values = {line["epoch"]: sign * line["validation"][key] for line in trained}
            self.assertEqual(values[answer["best-epoch"]], max(values.values()), metric)

    def test_checkpoints_are_written_as_often_and_kept_as_long_as_asked(self):
        self.train("--checkpoint-interval", 2, "--checkpoint-hist", 100, output="many")
        self.train("--checkpoint-interval", 2, "--checkpoint-hist", 2, output="few")
        many, few = (sorted(os.listdir(self.folder / name / "checkpoints")) for name in ("many", "few"))
        self.assertGreaterEqual(len(many), 4)  # 8 steps
        self.assertEqual(few, many[-2:])

    def test_val_data_and_val_split_choose_what_is_judged_by(self):
        answer = json.loads(self.run_tool(
            "train", "--data", self.data / "train", "--val-split", 0.3, "--output", self.folder / "split",
            "--model-file", self.base, "--epochs", 1, "--json").stdout)
        card = training.card_of(answer["model-file"])["provenance"]["data"]
        self.assertEqual(card["training"]["images"] + card["validation"]["images"], 26)
        self.assertIn(card["validation"]["images"], range(5, 12))
        self.run_tool("train", "--data", self.data / "train", "--val-data", self.data / "val", "--output",
                      self.folder / "named", "--model-file", self.base, "--epochs", 1)
        named = training.card_of(self.folder / "named/model.safetensors")["provenance"]["data"]
        self.assertEqual((named["training"]["images"], named["validation"]["images"]), (26, 9))

    def test_fast_decode_changes_the_run_of_large_jpegs_and_stands_in_the_card(self):
        jpegs = sorted(cli.GOLDEN_PICTURES.glob("*.jpg"))
        self.assertTrue(jpegs)
        for part in ("train", "val"):
            for name in ("a", "b"):
                (self.folder / "large" / part / name).mkdir(parents=True)
                for path in jpegs:
                    shutil.copy(path, self.folder / "large" / part / name)
        hashes = []
        for more in ((), ("--fast-decode",)):
            output = f"run{len(more)}"
            self.train("--crop", "random-resized", "--scale-min", 0.9, *more, data=self.folder / "large", output=output)
            card = training.card_of(self.folder / output / "model.safetensors")
            self.assertEqual(card["provenance"]["fast-decode"], bool(more))
            hashes.append(self.hash_of(output))
        self.assertNotEqual(*hashes)


if __name__ == "__main__":
    cli.main()
