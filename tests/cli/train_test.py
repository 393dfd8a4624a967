# SPDX-License-Identifier: MIT
"""ft-tool train: what a run leaves, its card, its arguments, its errors."""
import html.parser
import json
import os
import re
import resource
import subprocess

import cli
import training

KEYS = {"epochs", "best-epoch", "top1", "top5", "macro-f1", "loss", "ece", "seconds", "images-per-second",
        "features-per-second", "model-file", "stopped", "skipped-images"}
FILES = {"model.safetensors", "checkpoints", "metrics.jsonl", "summary.csv", "args.ini", "report.html"}


class Run(training.TrainCase):
    def test_a_run_leaves_its_files_and_says_what_it_did(self):
        answer = self.train()
        self.assertEqual(set(answer), KEYS)
        self.assertEqual((answer["epochs"], answer["stopped"], answer["skipped-images"]), (2, "completed", 0))
        self.assertEqual(set(os.listdir(self.folder / "run")), FILES)
        self.assertEqual(answer["model-file"], str(self.folder / "run/model.safetensors"))
        self.assertGreater(answer["images-per-second"], 0)
        self.assertEqual(answer["features-per-second"], 0)

    def test_cached_features_are_not_counted_as_pictures(self):
        # 33 pictures go through the network once, whatever the epochs.
        answer = self.train("--trainable", "head", "--epochs", 200)
        self.assertGreater(answer["features-per-second"], answer["images-per-second"])
        self.assertLessEqual(33 / answer["images-per-second"], answer["seconds"])
        lines = training.metrics_of(self.folder / "run", times=True)[1:]
        self.assertTrue(all("features-per-second" in line and "images-per-second" not in line for line in lines))
        rows = (self.folder / "run/summary.csv").read_text().splitlines()
        last = dict(zip(rows[0].split(","), rows[-1].split(",")))
        self.assertEqual((last["images-per-second"], float(last["features-per-second"])),
                         ("", lines[-1]["features-per-second"]))

    def test_the_model_is_what_eval_measures(self):
        answer = self.train()
        measured = self.json_of("eval", "--model-file", answer["model-file"], "--data", self.data / "val")
        for key in ("top1", "top5", "macro-f1"):
            self.assertEqual(measured[key], answer[key], key)
        self.assertAlmostEqual(measured["loss"], answer["loss"], places=5)

    def test_the_card_is_complete(self):
        self.train("--seed", 7)
        card = training.card_of(self.folder / "run/model.safetensors")
        self.assertEqual(card["labels"], list(training.CLASSES))  # the base's order
        self.assertEqual((card["architecture"], card["normalization"], card["temperature"]), ("resnet20", "batch", 1))
        self.assertEqual(card["preprocess"]["crop"], [32, 32])
        provenance = card["provenance"]
        parent = self.json_of("inspect", self.base)["sha256"]
        self.assertEqual((provenance["parent"], provenance["seed"]), (parent, 7))
        self.assertEqual(provenance["recipe"]["batch-size"], "8")
        self.assertEqual(provenance["data"]["training"]["images"], 24)
        self.assertRegex(provenance["data"]["validation"]["manifest"], "^[0-9a-f]{64}$")
        self.assertEqual(set(provenance["metrics"]), {"loss", "top1", "top5", "macro-f1", "ece"})

    def test_metrics_and_summary_have_a_line_for_each_epoch(self):
        self.train()
        metrics = training.metrics_of(self.folder / "run", times=True)
        trained = [line for line in metrics if line["epoch"] > 0]
        self.assertEqual([line["epoch"] for line in trained], [1, 2])
        self.assertGreater(trained[0]["learning-rate"], trained[1]["learning-rate"])  # cosine
        rows = (self.folder / "run/summary.csv").read_text().splitlines()
        header = rows[0].split(",")
        last = dict(zip(header, rows[-1].split(",")))
        self.assertEqual(len(rows), len(metrics) + 1)
        self.assertEqual(float(last["train-loss"]), trained[1]["train-loss"])
        self.assertEqual(float(last["top1"]), trained[1]["validation"]["top1"])

    def test_a_base_with_the_same_labels_is_measured_before_training(self):
        self.train()
        measured = self.json_of("eval", "--model-file", self.base, "--data", self.data / "val")
        before = training.metrics_of(self.folder / "run")[0]
        self.assertEqual(before["epoch"], 0)
        self.assertEqual(before["validation"]["top1"], measured["top1"])
        self.assertAlmostEqual(before["validation"]["loss"], measured["loss"], places=4)
        self.assertIn("base before training", (self.folder / "run/report.html").read_text())

    def test_a_base_with_other_labels_is_not_measured(self):
        self.train(base=self.model(["owl", "kite"], name="other.safetensors"))
        self.assertEqual([line["epoch"] for line in training.metrics_of(self.folder / "run")], [1, 2])

    def test_training_from_scratch_needs_no_base(self):
        done = self.run_tool("train", "--data", self.data, "--output", self.folder / "run", "--arch", "resnet20",
                             "--epochs", 1, "--batch-size", 8, "--json")
        self.assertEqual(json.loads(done.stdout)["epochs"], 1)
        self.assertIsNone(training.card_of(self.folder / "run/model.safetensors")["provenance"]["parent"])

    def test_it_learns(self):
        answer = self.train("--epochs", 12, "--lr", "0.05", "--crop", "none")
        self.assertGreater(answer["top1"], 0.85)

    def test_what_auto_becomes_is_said_and_kept(self):
        done = self.run_tool(*self.arguments(), "--json")
        self.assertIn("lr=", done.stderr)
        self.assertNotRegex((self.folder / "run/args.ini").read_text(), r"(?m)^(lr|trainable|crop|cache)=auto")

    def test_text_shows_each_epoch_and_the_gain(self):
        done = self.run_tool(*self.arguments())
        self.assertRegex(done.stdout, r"(?m)^before training +loss")
        self.assertRegex(done.stdout, r"(?m)^epoch +2/2 +train loss \d")
        self.assertRegex(done.stdout, r"(?m)^gain: [+-]")

    def test_labels_may_be_any_text(self):
        names = ["größe", "a b", "naïve \"x\""]
        training.write_part(self.folder / "odd/train", 8, 1, names)
        training.write_part(self.folder / "odd/val", 3, 2, names)
        self.train(data=self.folder / "odd")
        self.assertEqual(training.card_of(self.folder / "run/model.safetensors")["labels"], sorted(names))
        self.assertIn("größe", (self.folder / "run/report.html").read_text(encoding="utf-8"))


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.images, self.text, self.lines = 0, "", 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.images += tag == "img"

    def handle_startendtag(self, tag, attributes):
        self.lines += tag == "polyline"

    def handle_data(self, data):
        self.text += data


class Report(training.TrainCase):
    def test_the_page_is_whole_in_itself_and_has_every_part(self):
        answer = self.train()
        text = (self.folder / "run/report.html").read_text(encoding="utf-8")
        page = Page(text)
        self.assertFalse(re.search(r"(https?:|src=\"(?!data:)|href=|@import|url\()", text))
        for part in ("Curves", "Confusion", "Classes", "Reliability", "before temperature scaling", "after it",
                     "Worst mistakes", "Data", "Recipe", "Machine", "processor", "manifest", "red"):
            self.assertIn(part, page.text)
        self.assertGreaterEqual(page.lines, 3)
        self.assertEqual(page.images, min(24, round(9 * (1 - answer["top1"]))))


class Temperature(training.TrainCase):
    def test_few_samples_keep_the_temperature_and_say_so(self):
        done = self.run_tool(*self.arguments())
        self.assertIn("the temperature stays 1: 9 samples", done.stdout)

    def test_enough_samples_put_a_temperature_into_the_card(self):
        training.write_part(self.folder / "large/train", 8, 1)
        training.write_part(self.folder / "large/val", 40, 2)
        self.train(data=self.folder / "large")
        temperature = training.card_of(self.folder / "run/model.safetensors")["temperature"]
        self.assertNotEqual(temperature, 1)
        self.assertTrue(0.25 <= temperature <= 10)


class Repeat(training.TrainCase):
    def test_args_ini_repeats_the_run_to_the_bit(self):
        self.train("--mixup-alpha", 0.2, "--color-jitter", 0.2, "--model-ema", "--model-ema-steps", 2, "--seed", 5)
        self.run_tool("train", "--config", self.folder / "run/args.ini", "--output", self.folder / "again")
        self.assertEqual(self.hash_of("run"), self.hash_of("again"))
        self.assertEqual(training.metrics_of(self.folder / "run"), training.metrics_of(self.folder / "again"))
        self.assertEqual((self.folder / "run/args.ini").read_text(), (self.folder / "again/args.ini").read_text())

    def test_args_ini_holds_odd_paths(self):
        data = self.folder / "a b\\c=#;\t "
        os.rename(self.data, data)
        self.train(data=data)
        self.run_tool("train", "--config", self.folder / "run/args.ini", "--output", self.folder / "again")
        self.assertEqual(self.hash_of("run"), self.hash_of("again"))

    def test_the_command_line_wins_over_the_file(self):
        config = self.write("c.ini", "[train]\nepochs=5\nmodel-ema=true\nlr=0.5\n")
        answer = self.train("--config", config, "--no-model-ema", "--lr", "0.01")
        text = (self.folder / "run/args.ini").read_text()
        self.assertEqual(answer["epochs"], 2)  # the command line's
        self.assertIn("\nlr=0.01\n", text)
        self.assertIn("\nmodel-ema=false\n", text)

    def test_a_file_gives_what_the_command_line_leaves_out(self):
        config = self.write("c.ini", f"# mine\n[train]\ndata={self.data}\nmodel-file={self.base}\nepochs=1\n")
        answer = self.json_of("train", "--config", config, "--output", self.folder / "run")
        self.assertEqual(answer["epochs"], 1)

    def test_a_file_that_is_wrong_is_named_with_the_option(self):
        for text, parts in (("[train]\nno-such=1\n", ("no-such",)), ("[train]\nopt=sdg\n", ("sdg", "sgd-nesterov")),
                            ("[other]\nlr=1\n", ("[other]",)), ("", ("[train]",))):
            config = self.write("c.ini", text)
            done = self.run_tool(*self.arguments("--config", config), status=cli.USAGE)
            self.assert_error(done, config, *parts)
        self.assert_error(self.run_tool(*self.arguments("--config", self.write("c.ini", "lr=1\n")),
                                        status=cli.CORRUPT), "c.ini")
        self.assert_error(self.run_tool(*self.arguments("--config", self.folder / "none.ini"), status=cli.NOT_FOUND),
                          "none.ini")

    def test_torchvisions_words_are_understood(self):
        self.train("--opt", "sgd-nesterov", "--lr-scheduler", "cosine", "--weight-decay", 0.01, "--auto-augment",
                   "ta-wide")
        words = [str(word) for word in self.arguments(output="again")]
        for ours, theirs in (("--data", "--data-path"), ("--output", "--output-dir"), ("--model-file", "--weights"),
                             ("--batch-size", "-b"), ("--workers", "-j")):
            words[words.index(ours)] = theirs
        self.run_tool(*words, "--opt", "sgd_nesterov", "--lr-scheduler=cosineannealinglr", "--wd", 0.01,
                      "--auto-augment", "ta_wide")
        self.assertEqual(self.hash_of("run"), self.hash_of("again"))


class Errors(training.TrainCase):
    def test_what_is_needed_is_asked_for(self):
        self.assert_error(self.run_tool("train", "--data", self.data, status=cli.USAGE), "--output")
        self.assert_error(self.run_tool("train", "--output", self.folder / "x", status=cli.USAGE), "--data")
        self.assert_error(self.run_tool("train", "--output", self.folder / "x", "--data", self.data,
                                        status=cli.USAGE), "--model-file", "--arch")
        self.assertFalse((self.folder / "x").exists())

    def test_a_size_that_the_net_cannot_take_is_found_out_before_the_work(self):
        for option in ("--input-size", "--val-crop-size"):
            done = self.run_tool(*self.arguments(option, 24), status=cli.USAGE)
            self.assert_error(done, "24x24", "32 to 16384")
            self.assertFalse((self.folder / "run").exists())

    def test_data_that_is_missing_is_named(self):
        done = self.run_tool(*self.arguments(data=self.folder / "none"), status=cli.NOT_FOUND)
        self.assert_error(done, str(self.folder / "none"))

    def test_an_unknown_value_is_answered_with_the_possible_ones(self):
        for option, listed in (("opt", "sgd, sgd-nesterov, adam, adamw"), ("trainable", "auto, head, layer4, all"),
                               ("lr-scheduler", "cosine, step, onecycle, plateau, constant"), ("device", "auto, cpu"),
                               ("batch-size", "from 1"), ("label-smoothing", "from 0"), ("lr", "auto")):
            done = self.run_tool(*self.arguments(f"--{option}", "nonsense"), status=cli.USAGE)
            self.assert_error(done, option, "'nonsense'", listed)

    def test_a_device_that_this_build_lacks_is_named(self):
        self.assert_error(self.run_tool(*self.arguments("--device", "cuda"), status=cli.DEVICE), "cuda")

    def test_output_that_cannot_be_written_is_found_out_before_the_work(self):
        output = self.write("file", "x") + "/run"
        done = self.run_tool(*self.arguments(output=output), status=cli.IO)
        self.assert_error(done, output)

    def test_a_run_that_is_there_is_not_overwritten(self):
        self.train()
        before = self.hash_of()
        done = self.run_tool(*self.arguments("--seed", 9), status=cli.INCOMPATIBLE)
        self.assert_error(done, str(self.folder / "run"), "--resume auto")
        self.assertEqual(self.hash_of(), before)

    def test_a_run_that_came_to_nothing_is_not_in_the_way(self):
        self.write("data/train/red/zz.png", b"not a picture")
        self.run_tool(*self.arguments("--on-corrupt", "fail"), status=cli.CORRUPT)
        os.remove(self.data / "train/red/zz.png")
        self.assertEqual(self.train()["epochs"], 2)

    def test_parts_with_other_classes_are_listed(self):
        os.rename(self.data / "val/blue", self.data / "val/violet")
        done = self.run_tool(*self.arguments(), status=cli.INCOMPATIBLE)
        self.assert_error(done, "violet")

    def test_an_empty_class_is_handled_and_said(self):
        (self.data / "train/white").mkdir()
        (self.data / "val/white").mkdir()
        done = self.run_tool(*self.arguments(), "--json")
        self.assertIn("white", done.stderr)
        self.assertEqual(len(training.card_of(self.folder / "run/model.safetensors")["labels"]), 4)

    def test_a_last_batch_of_one_picture_is_trained(self):
        os.remove(self.data / "train/red/000.png")
        os.remove(self.data / "train/red/001.png")  # 22 pictures
        done = self.run_tool(*self.arguments("--batch-size", 7))
        self.assertIn("a single picture", done.stderr)

    def test_a_corrupt_picture_is_named_counted_and_left_out(self):
        self.write("data/train/red/zz.png", b"not a picture")
        done = self.run_tool(*self.arguments("--corrupt-budget", 0.1), "--json")
        self.assertEqual(done.stderr.count("zz.png"), 1)
        self.assertEqual(json.loads(done.stdout)["skipped-images"], 1)

    def test_too_many_corrupt_pictures_or_the_first_with_fail_end_the_run(self):
        self.write("data/train/red/zz.png", b"not a picture")
        for number, more in enumerate((["--corrupt-budget", 0.01], ["--on-corrupt", "fail", "--corrupt-budget", 1])):
            done = self.run_tool(*self.arguments(*more, output=f"run{number}"), status=cli.CORRUPT)
            self.assertIn("zz.png", done.stderr)

    def test_the_budget_counts_each_corrupt_picture_once_in_all_epochs(self):
        for i in range(3):
            self.write(f"data/train/red/zz{i}.png", b"not a picture")  # 3 of 36
        done = self.run_tool(*self.arguments("--corrupt-budget", 0.09, "--epochs", 6, "--checkpoint-interval", 1,
                                             output="within"), "--json")
        self.assertEqual(json.loads(done.stdout)["skipped-images"], 3)
        for i in range(3):
            self.assertEqual(done.stderr.count(f"zz{i}.png"), 1)
        done = self.run_tool(*self.arguments("--corrupt-budget", 0.08, output="beyond"), status=cli.CORRUPT)
        self.assertIn("3 of 36", done.stderr)

    def test_a_corrupt_picture_that_the_split_finds_is_named_once(self):
        whole = self.folder / "whole"
        training.write_part(whole, 10, 5)
        for name in ("zy.png", "zz.png"):
            self.write(f"whole/red/{name}", b"not a picture")  # 2 of 32
        done = self.run_tool(*self.arguments("--corrupt-budget", 0.1, data=whole, output="within"), "--json")
        self.assertEqual((done.stderr.count("zy.png"), done.stderr.count("zz.png")), (1, 1))
        self.assertEqual(json.loads(done.stdout)["skipped-images"], 2)
        done = self.run_tool(*self.arguments("--corrupt-budget", 0.04, data=whole, output="beyond"), status=cli.CORRUPT)
        self.assertIn("2 of 32", done.stderr)
        done = self.run_tool(*self.arguments("--on-corrupt", "fail", data=whole, output="first"), status=cli.CORRUPT)
        self.assertEqual(done.stderr.count("zy.png") + done.stderr.count("zz.png"), 1)
        for name in ("beyond", "first"):
            self.assertFalse((self.folder / name).exists())

    def test_out_of_memory_names_a_batch_that_fits_and_it_does(self):
        large = self.folder / "large"
        training.write_part(large / "train", 24, 1, size=64)
        training.write_part(large / "val", 1, 2, size=64)
        arguments = ("--input-size", 320, "--batch-size", 64, "--epochs", 1, "--cache", "none", "--crop", "none")
        limited = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)), "timeout": 400}
        done = self.run_tool(*self.arguments(*arguments, data=large), status=cli.MEMORY, **limited)
        fits = re.search(r"a batch of (\d+) would fit: pass --batch-size (\d+), with --grad-accum-steps (\d+)",
                         done.stderr)
        self.assertTrue(fits, done.stderr)
        batch, named, steps = map(int, fits.groups())
        self.assertEqual((batch, batch * steps), (named, 64))
        self.assertLess(batch, 64)
        answer = self.train(*arguments, "--batch-size", batch, "--grad-accum-steps", steps, data=large, output="fits",
                            **limited)
        self.assertEqual(answer["epochs"], 1)

    @cli.unittest.skipUnless(os.geteuid() == 0, "not tested: a full disk; mounting a small one needs root")
    def test_a_full_disk_ends_the_run_with_the_path_and_keeps_the_last_checkpoint(self):
        small = self.folder / "small"
        small.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=9m", "none", small], capture_output=True, text=True)
        if mounted.returncode:
            self.skipTest("not tested: a full disk; no small one can be mounted: " + mounted.stderr.strip())
        self.addCleanup(subprocess.run, ["umount", small], check=True)
        arguments = ("--epochs", 20, "--checkpoint-interval", 1, "--checkpoint-hist", 100)
        done = self.run_tool(*self.arguments(*arguments, output="small/run"), status=cli.IO)
        self.assertIn(str(small / "run/checkpoints"), done.stderr)
        self.assertIn("No space left", done.stderr)
        kept = sorted((small / "run/checkpoints").glob("*.safetensors"))
        self.assertGreaterEqual(len(kept), 2)
        for path in kept[:-1]:
            path.unlink()
        answer = self.train("--resume", "auto", *arguments, "--checkpoint-hist", 1, output="small/run")
        self.assertEqual((answer["epochs"], answer["stopped"]), (20, "completed"))

    def test_a_loss_that_is_not_finite_ends_with_status_1_and_keeps_the_best(self):
        done = self.run_tool(*self.arguments("--lr", "1e6", "--epochs", 30), status=cli.CHECK_FAILED)
        self.assertRegex(done.stderr, r"step \d+")
        self.assertIn("lr", done.stderr)
        # The rate rises from almost nothing: there is an epoch before it breaks.
        answer = self.train("--lr", "1e6", "--lr-warmup-epochs", 30, "--epochs", 30, output="late", status=cli.CHECK_FAILED)
        self.assertEqual(answer["stopped"], "diverged")
        self.assertTrue(os.path.exists(answer["model-file"]))

    def test_json_says_how_a_run_without_a_model_ended(self):
        answer = self.train("--lr", "1e6", "--lr-scheduler", "constant", "--epochs", 30, status=cli.CHECK_FAILED)
        self.assertEqual((answer["stopped"], answer["model-file"], answer["top1"]), ("diverged", None, None))
        answer = self.train("--max-time", 1e-6, output="short", status=cli.CANCELLED)
        self.assertEqual((answer["stopped"], answer["epochs"], answer["model-file"]), ("time", 0, None))

    def test_the_base_is_judged_as_it_came_whatever_becomes_of_its_normalisation(self):
        self.train("--epochs", 4, "--lr", 0.05, output="base")
        base = self.folder / "base/model.safetensors"
        judged = self.json_of("eval", "--model-file", base, "--data", self.data / "val", "--device", "cpu")
        for number, more in enumerate((("--norm", "group"), ("--norm", "layer"), ("--adapt-norm", 16),
                                       ("--adapt-norm", 16, "--epochs", 0), ("--norm", "frozen"))):
            self.train("--epochs", 1, *more, base=base, output=f"run{number}")
            first = training.metrics_of(self.folder / f"run{number}")[0]
            self.assertEqual(first["epoch"], 0)
            self.assertEqual(first["validation"]["top1"], judged["top1"], more)

    def test_without_epochs_the_result_is_the_adapted_net(self):
        self.train("--epochs", 4, "--lr", 0.05, output="base")
        base = self.folder / "base/model.safetensors"
        answer = self.train("--adapt-norm", 16, "--epochs", 0, base=base)
        judged = self.json_of("eval", "--model-file", self.folder / "run/model.safetensors", "--data", self.data / "val",
                              "--device", "cpu")
        self.assertEqual(answer["top1"], judged["top1"])

    def test_patience_leaves_the_epochs_of_the_head_alone(self):
        self.train("--head-epochs", 4, "--epochs", 3, "--early-stop-patience", 1, "--trainable", "layer4", "--lr", 1e-3,
                   "--lr-scheduler", "constant")
        rates = [line.get("learning-rate") for line in training.metrics_of(self.folder / "run") if line["epoch"] > 0]
        self.assertGreater(len(rates), 4)
        self.assertEqual(rates[4], 1e-3)

    def test_the_report_holds_what_was_said(self):
        done = self.run_tool(*self.arguments("--trainable", "head", "--cache-max-bytes", 1))
        self.assertIn("cache: pixels", done.stderr)
        self.assertIn("cache: pixels", (self.folder / "run/report.html").read_text())

    def test_a_configuration_may_use_torchvisions_words_for_options(self):
        config = self.write("their.ini", "[train]\nlearning-rate=0.003\nwd=0.01\n")
        self.train("--config", config)
        arguments = (self.folder / "run/args.ini").read_text()
        self.assertIn("\nlr=0.003\n", arguments)
        self.assertIn("\nweight-decay=0.01\n", arguments)


if __name__ == "__main__":
    cli.main()
