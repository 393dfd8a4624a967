# SPDX-License-Identifier: MIT
"""ft-tool train --resume: a run that was stopped anywhere ends with the bits of one that never was."""
import json
import os
import shutil
import signal
import subprocess

import cli
import training

# What has state of its own: mixed pictures, averaged weights, gathered gradients, momentum, a schedule by steps.
STATEFUL = ("--epochs", 4, "--mixup-alpha", 0.2, "--cutmix-alpha", 0.5, "--model-ema", "--model-ema-steps", 1,
            "--grad-accum-steps", 2, "--batch-size", 4, "--color-jitter", 0.2, "--lr-scheduler", "onecycle",
            "--checkpoint-interval", 1)


class Resume(training.TrainCase):
    def start(self, *more, output="run"):
        command = [cli.FT_TOOL, *map(str, self.arguments(*more, output=output))]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def checkpoints(self, output):
        """How many were ever written: their names carry the step."""
        folder = self.folder / output / "checkpoints"
        names = [name for name in (os.listdir(folder) if folder.is_dir() else []) if name.endswith(".safetensors")]
        return max((int("".join(filter(str.isdigit, name.split(".")[0]))) for name in names), default=0)

    def stop_midway(self, number, count, *more, output="run"):
        """Begins a run and stops it by that signal once so many checkpoints were written; its end. Begins anew where the
        run was over before: this process, too, may get no time."""
        for _ in range(20):
            process = self.start(*more, output=output)
            cli.eventually(lambda: self.checkpoints(output) >= count or process.poll() is not None, "a checkpoint")
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=cli.HANG_GUARD_S)
            if process.returncode != 0:
                return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
            shutil.rmtree(self.folder / output)
        self.fail("no run could be stopped")

    def kill_midway(self, count):
        done = self.stop_midway(signal.SIGKILL, count, *STATEFUL)
        self.assertEqual(done.returncode, -signal.SIGKILL, done.stderr)

    def assert_same_run(self, one, other):
        self.assertEqual(self.hash_of(one), self.hash_of(other))
        self.assertEqual(training.metrics_of(self.folder / one), training.metrics_of(self.folder / other))

    def test_a_kill_after_a_checkpoint_changes_no_bit(self):
        self.train(*STATEFUL, output="whole")
        self.kill_midway(5)  # in the middle of the second epoch
        answer = self.train(*STATEFUL, "--resume", "auto")
        self.assertEqual(answer["stopped"], "completed")
        self.assert_same_run("whole", "run")

    def test_a_signal_ends_cleanly_and_the_run_goes_on(self):
        self.train(*STATEFUL, output="whole")
        for number in (signal.SIGINT, signal.SIGTERM):
            name = f"run{number}"
            done = self.stop_midway(number, 5, *STATEFUL, "--json", output=name)
            self.assertEqual(done.returncode, cli.CANCELLED, done.stderr)
            self.assertIn("--resume auto", done.stderr)
            self.assertEqual(json.loads(done.stdout)["stopped"], "signal")
            self.run_tool("train", "--output", self.folder / name, "--resume", "auto")
            self.assert_same_run("whole", name)

    def test_a_time_limit_stops_with_the_best_so_far_and_the_run_goes_on(self):
        self.train(*STATEFUL, "--epochs", 40, output="whole")
        limited = self.arguments(*STATEFUL, "--epochs", 40, "--max-time", 1, "--resume", "auto", "--json")
        for _ in range(20):
            done = subprocess.run([cli.FT_TOOL, *map(str, limited)], capture_output=True, text=True,
                                  timeout=cli.HANG_GUARD_S)
            if done.returncode != cli.CANCELLED:
                break
            self.assertIn("no model yet", done.stderr)  # the second was over before the first epoch
        self.assertEqual(done.returncode, 0, done.stderr)
        answer = json.loads(done.stdout)
        self.assertEqual(answer["stopped"], "time")
        self.assertLess(answer["epochs"], 40)
        self.assertTrue((self.folder / "run/model.safetensors").exists())
        answer = self.train(*STATEFUL, "--epochs", 40, "--resume", "auto", "--max-time", 0)
        self.assertEqual((answer["stopped"], answer["epochs"]), ("completed", 40))
        self.assert_same_run("whole", "run")

    def test_a_time_limit_before_the_first_epoch_says_that_there_is_no_model_yet(self):
        done = self.run_tool(*self.arguments(*STATEFUL, "--max-time", 1e-6), status=cli.CANCELLED)
        self.assertRegex(done.stderr, "no model yet; .*--resume auto")
        self.assertFalse((self.folder / "run/model.safetensors").exists())
        answer = self.train(*STATEFUL, "--resume", "auto", "--max-time", 0)
        self.assertEqual(answer["stopped"], "completed")

    def test_a_named_checkpoint_goes_on_in_another_folder(self):
        self.train(*STATEFUL, "--checkpoint-hist", 100)
        checkpoints = sorted(os.listdir(self.folder / "run/checkpoints"))
        self.assertGreater(len(checkpoints), 8)
        middle = self.folder / "run/checkpoints" / checkpoints[4]
        self.run_tool("train", "--output", self.folder / "branch", "--resume", middle)
        self.assert_same_run("run", "branch")

    def test_resume_needs_no_other_option_than_the_output(self):
        self.kill_midway(2)
        answer = self.json_of("train", "--output", self.folder / "run", "--resume", "auto")
        self.assertEqual((answer["epochs"], answer["stopped"]), (4, "completed"))

    def test_auto_begins_where_there_is_nothing(self):
        self.assertEqual(self.train("--resume", "auto")["epochs"], 2)

    def test_a_finished_run_that_is_resumed_stays_as_it_is(self):
        self.train(*STATEFUL)
        before, metrics = self.hash_of(), training.metrics_of(self.folder / "run")
        self.train(*STATEFUL, "--resume", "auto")
        self.assertEqual((self.hash_of(), training.metrics_of(self.folder / "run")), (before, metrics))

    def test_a_run_that_lost_patience_and_is_resumed_stays_as_it_is(self):
        patient = ("--epochs", 30, "--lr", 1e-9, "--early-stop-patience", 2)
        self.assertEqual(self.train(*patient)["stopped"], "early")
        before, metrics = self.hash_of(), training.metrics_of(self.folder / "run")
        self.assertEqual(self.train(*patient, "--resume", "auto")["stopped"], "early")
        self.assertEqual((self.hash_of(), training.metrics_of(self.folder / "run")), (before, metrics))

    def test_another_base_is_refused(self):
        self.train(*STATEFUL)
        done = self.run_tool(*self.arguments(*STATEFUL, "--resume", "auto", base=self.model(seed=4)),
                             status=cli.INCOMPATIBLE)
        self.assertIn("begun from", done.stderr)

    def test_other_options_are_refused_by_name(self):
        self.train(*STATEFUL)
        arguments = (self.folder / "run/args.ini").read_text()
        for option, value in (("lr", "0.5"), ("seed", "9"), ("mixup-alpha", "0.3"), ("batch-size", "8")):
            done = self.run_tool(*self.arguments(*STATEFUL, f"--{option}", value, "--resume", "auto"),
                                 status=cli.INCOMPATIBLE)
            self.assertIn(option, done.stderr)
        self.assertEqual((self.folder / "run/args.ini").read_text(), arguments)

    def test_other_data_and_classes_are_refused_by_name(self):
        self.train(*STATEFUL)
        training.write_part(self.folder / "more/train", 9, 1)
        training.write_part(self.folder / "more/val", 3, 2)
        done = self.run_tool(*self.arguments(*STATEFUL, "--resume", "auto", data=self.folder / "more"),
                             status=cli.INCOMPATIBLE)
        self.assertIn("data", done.stderr)
        os.rename(self.data / "train/red", self.data / "train/ruby")
        os.rename(self.data / "val/red", self.data / "val/ruby")
        done = self.run_tool(*self.arguments(*STATEFUL, "--resume", "auto"), status=cli.INCOMPATIBLE)
        self.assertIn("class", done.stderr)

    def test_workers_and_intervals_are_free(self):
        self.kill_midway(3)
        self.train(*STATEFUL, "--resume", "auto", "--workers", 3, "--checkpoint-interval", 2)
        self.train(*STATEFUL, output="whole")
        self.assert_same_run("whole", "run")

    def test_a_checkpoint_that_is_missing_or_damaged_is_named(self):
        self.assert_error(self.run_tool(*self.arguments("--resume", self.folder / "none"), status=cli.NOT_FOUND),
                          str(self.folder / "none"))
        bad = self.write("bad.safetensors", b"x" * 100)
        done = self.run_tool(*self.arguments("--resume", bad), status=cli.CORRUPT)
        self.assertIn(bad, done.stderr)


if __name__ == "__main__":
    cli.main()
