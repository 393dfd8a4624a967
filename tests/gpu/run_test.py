#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run.sh with programs that only say that they were run: what it runs, and what becomes of failures."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "support"))
import tap  # noqa: E402

# Like the tests without a GPU, one that fails passes where no GPU is required.
PROGRAM = """#!/bin/sh
echo "$(basename "$0") $*"
case " $FAILING " in *" $(basename "$0") "*) exit $RESNETFT_REQUIRE_GPU ;; esac
"""


class Run(unittest.TestCase):
    def run_all(self, failing="", required="1", parts=()):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "gst").mkdir()
            (folder / "bin").mkdir()
            for script in ("run.sh", "library_path.sh"):
                shutil.copy(HERE / script, folder)
            python = folder / "bin/python3"
            python.write_text("#!/bin/sh\necho /packages/lib\n")
            programs = [folder / program for program in ("gpu_test", "gpu_training_test", "gstreamer.sh", "bench.sh")]
            for program in [*programs, folder / "bin/compute-sanitizer"]:
                program.write_text(PROGRAM)
            for program in [*programs, folder / "bin/compute-sanitizer", python]:
                program.chmod(0o755)
            environment = dict(os.environ, PATH=f"{folder}/bin:{os.environ['PATH']}", FAILING=failing,
                               RESNETFT_REQUIRE_GPU=required)
            environment.pop("RESNETFT_BUILD", None)
            done = subprocess.run([folder / "run.sh", *parts], env=environment, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=60)
            return done.returncode, done.stdout.splitlines()

    def ran(self, lines, program):
        return [line for line in lines if line.split()[0] == program]

    def test_everything_is_run_in_turn(self):
        code, lines = self.run_all()
        self.assertEqual(code, 0)
        names = [line.split()[0] for line in lines if not line.startswith("run:")]
        self.assertEqual(names, ["gpu_test", "gpu_training_test", "gstreamer.sh", "bench.sh"] +
                         3 * ["compute-sanitizer"])
        tools = [line.split()[2] for line in self.ran(lines, "compute-sanitizer")]
        self.assertEqual(tools, ["memcheck", "racecheck", "initcheck"])

    def test_parts_that_are_named_are_run_alone(self):
        code, lines = self.run_all(parts=["training", "bench"])
        self.assertEqual(code, 0)
        names = [line.split()[0] for line in lines if not line.startswith("run:")]
        self.assertEqual(names, ["gpu_training_test", "bench.sh"])
        code, lines = self.run_all(parts=["tests", "speed"])
        self.assertEqual(code, 2)
        self.assertIn("there is no part 'speed'", lines[-1])

    def test_a_part_that_fails_does_not_hide_the_others(self):
        code, lines = self.run_all("gpu_training_test gstreamer.sh compute-sanitizer")
        self.assertEqual(code, 1)
        self.assertTrue(self.ran(lines, "bench.sh"))
        self.assertEqual(lines[-5:], ["run: FAILED: " + part for part in (
            "training tests", "tests of the elements", "compute-sanitizer --tool memcheck",
            "compute-sanitizer --tool racecheck", "compute-sanitizer --tool initcheck")])

    def test_without_a_gpu_that_is_required_only_its_tests_are_run(self):
        code, lines = self.run_all("gpu_test")
        self.assertEqual(code, 1)
        self.assertEqual([line for line in lines if not line.startswith("run:")], ["gpu_test "])
        self.assertEqual(lines[-1], "run: FAILED: GPU tests")
        code, lines = self.run_all("gpu_test", parts=["bench"])
        self.assertEqual(code, 1)
        self.assertEqual(lines[-1], "run: FAILED: there is no GPU")

    def test_without_a_gpu_that_is_not_required_all_tests_are_run_and_nothing_else(self):
        code, lines = self.run_all("gpu_test", required="0")
        self.assertEqual(code, 0)
        names = [line.split()[0] for line in lines if not line.startswith("run:")]
        self.assertEqual(names, ["gpu_test", "gpu_training_test", "gstreamer.sh"])


if __name__ == "__main__":
    tap.main()
