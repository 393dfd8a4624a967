#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run.sh with programs that only say that they were run: what it runs, for how long, and what becomes of failures. And
bench.py with programs that measure nothing, and without a GPU: what is measured in which order, and what is missing."""
import contextlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "support")]
import bench  # noqa: E402
import tap  # noqa: E402

# The patterns find what it was called with. Like the tests without a GPU, one that fails passes where none is required.
PROGRAM = """#!/bin/sh
called="$(basename "$0") $*"
said() { echo "$called" | grep -qE -e "$1"; }
if said "$NOT_STARTING"; then echo "no library"; exit 127; fi
if said gtest_list_tests; then printf 'Running main() from a_test.cpp\\nGpu.\\n  One\\nGpuFrames.\\n  Two\\n'; exit; fi
echo "$called"
if said "$SLOW"; then sleep 20; fi
if said "$UNTESTED"; then exit 77; fi
if said "$FAILING"; then exit $RESNETFT_REQUIRE_GPU; fi
"""
PYTHON = """#!/bin/sh
echo "$2" >>"$(dirname "$0")/asked"
echo "/packages/$2/lib"
"""
NONE = "^$"
SUITES = ["Gpu", "GpuFrames"]


def temporary_folder(case):
    folder = tempfile.TemporaryDirectory()
    case.addCleanup(folder.cleanup)
    return pathlib.Path(folder.name)


class Run(unittest.TestCase):
    def setUp(self):
        self.folder = temporary_folder(self)
        for name in ("gst", "bin"):
            (self.folder / name).mkdir()
        for script in ("run.sh", "library_path.sh"):
            shutil.copy(HERE / script, self.folder)
        for name in ("gpu_test", "gpu_training_test", "gstreamer.sh", "bench.sh", "bin/compute-sanitizer"):
            self.make(name, PROGRAM)
        self.make("bin/python3", PYTHON)

    def make(self, name, text):
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def run_all(self, failing=NONE, required="1", parts=(), slow=NONE, untested=NONE, not_starting=NONE, seconds="0"):
        environment = dict(os.environ, PATH=f"{self.folder}/bin:{os.environ['PATH']}", FAILING=failing, SLOW=slow,
                           UNTESTED=untested, NOT_STARTING=not_starting, RESNETFT_REQUIRE_GPU=required,
                           RESNETFT_SECONDS=seconds, RESULTS=str(self.folder / "results"))
        environment.pop("RESNETFT_BUILD", None)
        done = subprocess.run([self.folder / "run.sh", *parts], env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60)
        return done.returncode, done.stdout.splitlines()

    def ran(self, lines, program):
        return [line for line in lines if line.split()[0] == program]

    def programs(self, lines):
        return [line.split()[0] for line in lines if not line.startswith("run:")]

    def failed(self, lines):
        return [line.removeprefix("run: FAILED: ") for line in lines if line.startswith("run: FAILED: ")]

    def test_everything_is_run_in_turn(self):
        code, lines = self.run_all()
        self.assertEqual(code, 0)
        self.assertEqual(self.programs(lines), 3 * ["gpu_test"] + 2 * ["gpu_training_test"] + 2 * ["gstreamer.sh"] +
                         ["bench.sh"] + 3 * ["compute-sanitizer"])
        tools = [line.split()[2] for line in self.ran(lines, "compute-sanitizer")]
        self.assertEqual(tools, ["memcheck", "racecheck", "initcheck"])

    def test_each_suite_has_a_process_after_a_short_part_that_is_not_run_again(self):
        lines = self.run_all(parts=["tests", "training"])[1]
        first = "GpuEngine.InFp16*"
        self.assertEqual([line.split("=")[1] for line in self.ran(lines, "gpu_test")],
                         [first] + [f"{suite}.*-{first}" for suite in SUITES])
        self.assertEqual([line.split("=")[1] for line in self.ran(lines, "gpu_training_test")],
                         [f"{suite}.*" for suite in SUITES])

    def test_a_program_that_does_not_start_has_failed(self):
        code, lines = self.run_all(parts=["training"], not_starting="gpu_training_test")
        self.assertEqual(code, 1)
        self.assertEqual(self.failed(lines), ["training"])
        self.assertIn("no library", lines)

    def test_parts_that_are_named_are_run_alone(self):
        code, lines = self.run_all(parts=["training", "bench"])
        self.assertEqual(code, 0)
        self.assertEqual(self.programs(lines), 2 * ["gpu_training_test"] + ["bench.sh"])
        code, lines = self.run_all(parts=["tests", "speed"])
        self.assertEqual(code, 2)
        self.assertIn("there is no part 'speed'", lines[-1])

    def test_help_says_what_there_is(self):
        code, lines = self.run_all(parts=["--help"])
        self.assertEqual(code, 0)
        self.assertTrue(any("RESNETFT_SECONDS" in line for line in lines))
        self.assertIn("  run.sh [PART...]", lines[-1])

    def test_a_part_that_fails_does_not_hide_the_others(self):
        code, lines = self.run_all("gpu_training_test.*Frames|gstreamer.sh $|compute-sanitizer")
        self.assertEqual(code, 1)
        self.assertTrue(self.ran(lines, "bench.sh"))
        self.assertEqual(self.failed(lines), ["training GpuFrames", "elements", "sanitizer memcheck",
                                              "sanitizer racecheck", "sanitizer initcheck"])

    def test_each_part_leaves_its_log(self):
        self.run_all("gpu_training_test.*Frames")
        logs = {path.stem: path.read_text() for path in (self.folder / "results").glob("*.log")}
        self.assertEqual(set(logs), {"gpu", "tests-first", "elements", "elements-cudaupload", "bench",
                                     *(f"{part}-{suite}" for part in ("tests", "training") for suite in SUITES),
                                     *(f"sanitizer-{tool}" for tool in ("memcheck", "racecheck", "initcheck"))})
        self.assertEqual(logs["training-GpuFrames"], "gpu_training_test --gtest_filter=GpuFrames.*\n")

    def test_when_time_is_up_what_runs_is_stopped_and_what_is_left_of_what_was_asked_for_has_failed(self):
        code, lines = self.run_all(parts=["training", "bench"], slow="gpu_training_test.*Frames", seconds="3")
        self.assertEqual(code, 1)
        self.assertEqual(self.programs(lines), 2 * ["gpu_training_test"])
        stopped, left = self.failed(lines)
        self.assertRegex(stopped, "^training GpuFrames, stopped after [123] s$")
        self.assertEqual(left, "bench NOT RUN: no time left")
        code, lines = self.run_all(seconds="much")
        self.assertEqual(code, 2)
        self.assertIn("RESNETFT_SECONDS is 'much'", lines[-1])

    def test_what_cannot_be_tested_has_neither_passed_nor_failed(self):
        code, lines = self.run_all(untested="gstreamer.sh cudaupload")
        self.assertEqual(code, 0)
        self.assertEqual(lines[-1], "run: NOT TESTED: elements cudaupload")

    def test_without_a_gpu_that_is_required_nothing_else_is_run(self):
        for parts in ((), ("bench",)):
            code, lines = self.run_all("gpu_test", parts=parts)
            self.assertEqual(code, 1)
            self.assertEqual(self.programs(lines), ["gpu_test"])  # which says why
            self.assertEqual(self.failed(lines), ["there is no GPU that can be used, which is required"])

    def test_without_a_gpu_that_is_not_required_all_tests_are_run_and_nothing_else(self):
        code, lines = self.run_all("gpu_test", required="0")
        self.assertEqual(code, 0)
        self.assertEqual(self.programs(lines), 3 * ["gpu_test"] + 2 * ["gpu_training_test"] + ["gstreamer.sh"])

    def libraries(self):
        """RESNETFT_CUDNN, RESNETFT_TORCH, RESNETFT_LIBRARIES and LD_LIBRARY_PATH, read twice."""
        return subprocess.run(
            ["bash", "-euc", "programs=/ours; for i in 1 2; do . ./library_path.sh; done; "
             'echo "$RESNETFT_CUDNN $RESNETFT_TORCH $RESNETFT_LIBRARIES $LD_LIBRARY_PATH"'],
            cwd=self.folder, env={"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "LD_LIBRARY_PATH": "/mine"},
            stdout=subprocess.PIPE, text=True, check=True).stdout.split()

    def test_packages_are_looked_for_once_and_their_libraries_are_for_our_programs_alone(self):
        cudnn, torch = "/packages/nvidia.cudnn/lib", "/packages/torch/lib"
        self.assertEqual(self.libraries(), [cudnn, torch, f"/ours:{torch}:{cudnn}:/mine", "/mine"])
        self.assertEqual((self.folder / "bin/asked").read_text().split(), ["nvidia.cudnn", "torch"])

    def test_the_runtime_that_came_along_comes_first_where_the_machines_is_older(self):
        self.make("bin/ldd", "#!/bin/sh\necho \"/lib/libstdc++.so.6: version \\`GLIBCXX_3.4.30' not found (required by x)\"\n")
        self.assertTrue(self.libraries()[2].startswith("/ours/runtime:/ours:"))


# Says a row for each name but MISSING.
MEASURING = """#!/bin/sh
if [ "$1" = --list ]; then printf '%s\\n' {names}; exit; fi
shift
echo '{{"gpu": "a GPU"}}'
for name in "$@"; do
  if [ "$name" = "$HANGING" ]; then printf '{{"wh'; exec sleep 60; fi
  [ "$name" = "$MISSING" ] || echo "{{\\"what\\": \\"$name\\", \\"images-per-second\\": 150}}"
done
[ -z "$MISSING" ]
"""
NETS = ["resnet18-fp16-batch-1", "resnet50-fp16-batch-1", "resnet50-fp16-batch-64", "resnet50-fp16-batch-128"]
TRAINING = "train-resnet50-bf16-batch-128"


class Bench(unittest.TestCase):
    def setUp(self):
        self.folder = temporary_folder(self)
        for program, names in (("gpu_bench", NETS), ("gpu_training_bench", [TRAINING])):
            (self.folder / program).write_text(MEASURING.format(names=" ".join(names)))
            (self.folder / program).chmod(0o755)
        self.measured = []

    def measures(self, *what):
        self.measured.append(what)
        return 100.0

    def run_bench(self, *arguments, missing="", hanging="", seconds=60):
        said = io.StringIO()
        with mock.patch.multiple(bench, torch=mock.MagicMock(), inference=self.measures, training=self.measures,
                                 eager_fp32=self.measures, PROGRAM_SECONDS=seconds), \
                mock.patch.dict(os.environ, MISSING=missing, HANGING=hanging), \
                mock.patch.object(sys, "argv", ["bench.py", "--programs", str(self.folder), "--json",
                                                str(self.folder / "bench.json"), *arguments]), \
                contextlib.redirect_stdout(said), self.assertRaises(SystemExit) as end:
            bench.main()
        self.rows = {row["what"]: row for row in json.loads((self.folder / "bench.json").read_text())["measured"]}
        return end.exception.code, said.getvalue().splitlines()

    def test_what_matters_most_is_measured_first(self):
        code, lines = self.run_bench()
        self.assertFalse(code)
        self.assertEqual(self.measured[:4], [("resnet18", 1, "compiled"), ("resnet50", 1, "compiled"),
                                             ("resnet50", 64, "compiled"), (True,)])
        self.assertEqual(lines[0], "a GPU")
        self.assertIn("resnet18-fp16-batch-1: 1.50 times Python compiled (100.0), aim 1.30 met", lines)
        self.assertEqual(self.rows[TRAINING]["aim-compiled"], {"aim": 1.0, "ratio": 1.5, "met": True})

    def test_rows_that_are_not_asked_for_are_measured_on_neither_side(self):
        code, lines = self.run_bench("--only", "batch-64$")
        self.assertFalse(code)
        self.assertEqual(list(self.rows), ["resnet50-fp16-batch-64"])
        self.assertEqual({what[:2] for what in self.measured}, {("resnet50", 64)})

    def test_a_row_that_is_missing_keeps_nothing_else_from_being_measured_and_fails(self):
        code, lines = self.run_bench(missing="resnet50-fp16-batch-1")
        self.assertTrue(code)
        self.assertEqual(lines[-1], "bench: NOT MEASURED: resnet50-fp16-batch-1")
        self.assertEqual(len(self.rows), 4)

    def test_of_a_program_that_hangs_what_was_measured_counts(self):
        code, lines = self.run_bench(hanging="resnet50-fp16-batch-64", seconds=2)
        self.assertTrue(code)
        self.assertEqual(lines[-1], "bench: NOT MEASURED: resnet50-fp16-batch-64; resnet50-fp16-batch-128")
        self.assertEqual(list(self.rows), [*NETS[:2], TRAINING])

    def test_a_program_that_is_not_there_keeps_nothing_else_from_being_measured_and_fails(self):
        (self.folder / "gpu_training_bench").unlink()
        code, lines = self.run_bench()
        self.assertTrue(code)
        self.assertEqual(lines[-1], "bench: NOT MEASURED: gpu_training_bench")
        self.assertEqual(list(self.rows), NETS)

    def test_an_aim_without_pythons_figure_fails(self):
        with mock.patch.object(self, "measures", side_effect=RuntimeError("no compiler")):
            code, lines = self.run_bench("--only", "resnet18")
        self.assertTrue(code)
        self.assertIn("resnet18-fp16-batch-1: Python compiled NOT MEASURED: no compiler", lines)
        self.assertEqual(lines[-1], "bench: NOT MEASURED: resnet18-fp16-batch-1, Python compiled")


if __name__ == "__main__":
    tap.main()
