# SPDX-License-Identifier: MIT
"""What `ft-tool devices` says of a machine, with no NVIDIA driver and with one that plays a part. LIBRARY names
libresnetft.so, FAKE_DRIVER the driver."""
import ctypes
import os
import pathlib
import shutil

import cli

LIBRARY = pathlib.Path(os.environ["LIBRARY"])
FAKE_DRIVER = pathlib.Path(os.environ["FAKE_DRIVER"])
HAS_CUDA_MODULE = (LIBRARY.parent / "libresnetft-cuda.so").exists()


def has_driver():
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


class Devices(cli.Case):
    def setUp(self):
        super().setUp()
        self.environment = dict(os.environ)

    def fake(self, **settings):
        """A driver that says so stands in the loader's path."""
        shutil.copy(FAKE_DRIVER, self.folder / "libcuda.so.1")
        self.environment |= {"LD_LIBRARY_PATH": str(self.folder)} | {f"FAKE_CUDA_{k}": v for k, v in settings.items()}

    def devices(self):
        """Name -> what stands in the JSON."""
        found = self.json_of("devices", env=self.environment)
        return {device["name"]: device for device in found["devices"]}

    def test_the_cpu_can_be_used(self):
        cpu = self.devices()["cpu"]
        self.assertTrue(cpu["usable"])
        self.assertIn("inference", cpu["runs"])
        self.assertIsNone(cpu["reason"])

    def test_without_a_driver_cuda_says_so(self):
        if has_driver():
            self.skipTest("not tested: this machine has an NVIDIA driver")
        cuda = self.devices()["cuda"]
        self.assertFalse(cuda["usable"])
        self.assertIn("no NVIDIA driver", cuda["reason"])
        self.assertIn("driver", cuda["hint"])
        self.assertRegex(self.run_tool("devices").stdout, r"\ncuda +no +CUDA cannot be used: there is no NVIDIA driver")

    def test_text_and_json_name_the_same_things(self):
        found = self.json_of("devices")
        lines = self.run_tool("devices").stdout.splitlines()
        names = [row["name"] for row in found["devices"] + found["parts"]]
        self.assertEqual([line.split()[0] for line in lines], names)

    def test_a_driver_without_a_gpu_says_so(self):
        self.fake(GPUS="0")
        self.assertIn("finds no GPU", self.devices()["cuda"]["reason"])

    def test_a_gpu_that_is_too_old_is_listed_with_the_reason(self):
        if not HAS_CUDA_MODULE:
            self.skipTest("not tested: this build has no CUDA module")
        self.fake(CAPABILITY="61")
        gpu = self.devices()["cuda:0"]
        self.assertFalse(gpu["usable"])
        self.assertIn("6.1", gpu["reason"])
        self.assertIn("7.5", gpu["reason"])
        self.assertEqual(gpu["memory-bytes"], 8 << 30)

    def test_a_driver_that_is_too_old_is_listed_with_both_versions(self):
        if not HAS_CUDA_MODULE:
            self.skipTest("not tested: this build has no CUDA module")
        self.fake(VERSION="12040")
        self.assertEqual(self.json_of("devices", env=self.environment)["cuda-driver"], "12.4")
        self.assertRegex(self.devices()["cuda:0"]["reason"], r"12\.4.*13\.0")

    def test_a_module_that_was_taken_away_is_named(self):
        if not HAS_CUDA_MODULE:
            self.skipTest("not tested: this build has no CUDA module")
        self.fake()
        for library in LIBRARY.parent.glob("libresnetft.so*"):
            if library.is_file():
                shutil.copy(library, self.folder / library.name)
        gpu = self.devices()["cuda:0"]
        self.assertFalse(gpu["usable"])
        self.assertIn("libresnetft-cuda.so", gpu["reason"])

    def test_cudnn_is_there_or_says_how_to_get_it(self):
        part = {part["name"]: part for part in self.json_of("devices")["parts"]}["cudnn"]
        if not part["usable"]:
            self.assertRegex(part["reason"], "cuDNN|CUDA")
            self.assertRegex(part["hint"], "nvidia-cudnn-cu13|build resnetft")

    def test_a_named_gpu_fails_with_the_same_reason(self):
        self.fake(GPUS="0")
        picture = self.write("a.png", cli.plain_png(1, 2, 3))
        done = self.run_tool("predict", "--model-file", self.model(), "--device", "cuda", picture, status=cli.DEVICE,
                             env=self.environment)
        self.assert_error(done, "device 'cuda'", "finds no GPU")

    def test_auto_is_the_cpu_and_says_why_once(self):
        picture = self.write("a.png", cli.plain_png(1, 2, 3))
        done = self.run_tool("predict", "--verbose", "--model-file", self.model(), picture, picture)
        self.assertEqual(done.stderr.count("device auto is the CPU"), 1, done.stderr)

    def predict(self, *options, status):
        picture = self.write("a.png", cli.plain_png(1, 2, 3))
        return self.run_tool("predict", "--model-file", self.model(), *options, picture, status=status)

    def test_precisions_of_a_gpu_are_refused_on_the_cpu_with_what_is_possible_there(self):
        for precision in ("fp16", "tf32"):
            done = self.predict("--device", "cpu", "--precision", precision, status=cli.USAGE)
            self.assert_error(done, f"precision '{precision}' needs a GPU", "auto, fp32, bf16")
        if not has_driver():
            self.assert_error(self.predict("--precision", "fp16", status=cli.USAGE), "needs a GPU")

    def test_an_engine_and_a_device_that_do_not_fit_are_told_so(self):
        done = self.predict("--device", "cpu", "--engine", "cuda", status=cli.USAGE)
        self.assert_error(done, "engine cuda runs on a GPU, not on cpu", "use engine auto, or device cuda")
        if not has_driver():
            self.assert_error(self.predict("--engine", "cuda", status=cli.DEVICE), "device 'cuda'", "no NVIDIA driver")
            self.assert_error(self.predict("--device", "cuda", "--engine", "onednn", status=cli.DEVICE), "device 'cuda'")

    def test_help_names_gpus(self):
        for verb in ("predict", "train"):
            self.assertRegex(self.run_tool(verb, "--help").stdout,
                             r"--device=TEXT +auto, cpu, cuda \(the first GPU\) or cuda:N")

    def loads_cuda(self, *arguments):
        """Whether the loader was asked for a driver or for the CUDA module."""
        log = self.folder / "loader"
        self.run_tool(*arguments, env=dict(os.environ, LD_DEBUG="files", LD_DEBUG_OUTPUT=str(log)))
        texts = [path.read_text(errors="replace") for path in self.folder.glob("loader.*")]
        self.assertTrue(any("libresnetft.so" in text for text in texts))
        for path in self.folder.glob("loader.*"):
            path.unlink()
        return any("libcuda.so" in text or "libresnetft-cuda" in text for text in texts)

    def test_only_what_needs_a_gpu_touches_cuda(self):
        picture = self.write("a.png", cli.plain_png(1, 2, 3))
        for arguments in (["--help"], ["devices", "--help"], ["predict", "--help"],
                          ["predict", "--model-file", self.model(), "--device", "cpu", picture],
                          ["predict", "--model-file", self.model(), "--engine", "onednn", picture]):
            self.assertFalse(self.loads_cuda(*arguments), arguments)
        self.assertTrue(self.loads_cuda("devices"))
        self.assertTrue(self.loads_cuda("predict", "--model-file", self.model(), picture))


if __name__ == "__main__":
    cli.main()
