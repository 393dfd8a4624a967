# SPDX-License-Identifier: MIT
"""ft-tool on a GPU that is the host: a driver, a cuDNN and a CUDA module that play their parts. LIBRARY names
libresnetft.so, FAKE_DRIVER, FAKE_CUDNN and FAKE_MODULE the parts."""
import os
import pathlib

import cli

LIBRARY = pathlib.Path(os.environ["LIBRARY"])
TORCH_MODULE = LIBRARY.parent / "libresnetft-torch.so"
PARTS = {"libcuda.so.1": "FAKE_DRIVER", "libcudnn.so.9": "FAKE_CUDNN", "libresnetft-cuda.so": "FAKE_MODULE"}


class Cuda(cli.Case):
    def setUp(self):
        super().setUp()
        machine = self.folder / "machine"  # stands first in the loader's path
        machine.mkdir()
        for library in [*LIBRARY.parent.glob("libresnetft.so*"), TORCH_MODULE]:
            if library.is_file():
                (machine / library.name).symlink_to(library)
        for name, variable in PARTS.items():
            (machine / name).symlink_to(os.environ[variable])
        self.environment = dict(os.environ, LD_LIBRARY_PATH=str(machine))
        self.pictures = [self.write(f"{i}.png", cli.png(40, 32, lambda x, y: ((7 * x * i) % 256, 5 * y, 60 * i)))
                         for i in range(5)]

    def run_tool(self, *arguments, **options):
        return super().run_tool(*arguments, **{"env": self.environment} | options)

    def predictions(self, *options):
        return self.json_of("predict", "--model-file", self.model(), "--logits", *options, *self.pictures)["results"]

    def logits(self, *options):
        return [result["logits"] for result in self.predictions(*options)]

    def assert_near(self, actual, expected, share):
        largest = max(abs(value) for row in expected for value in row)
        for row, other in zip(actual, expected):
            for value, wanted in zip(row, other):
                self.assertLessEqual(abs(value - wanted), share * largest)

    def speed_of(self, *options):
        return self.json_of("benchmark", "--model-file", self.model(), "--batch-size", 2, "--seconds", 0.1, "--warmup", 0,
                            *options)

    def test_a_gpu_gives_the_cpus_logits_as_far_as_its_precision_goes(self):
        expected = self.logits("--device", "cpu")
        for precision, share in (("fp32", 1e-4), ("fp16", 1e-2), ("tf32", 1e-2), ("bf16", 8e-2)):
            actual = self.logits("--device", "cuda", "--precision", precision, "--batch-size", 3)
            self.assert_near(actual, expected, share)

    def test_auto_takes_the_gpu_with_halfs(self):
        answer = self.speed_of()
        self.assertEqual((answer["device"], answer["engine"], answer["precision"]), ("cuda:0", "cuda", "fp16"))
        answer = self.speed_of("--device", "cuda:0", "--precision", "fp32")
        self.assertEqual((answer["device"], answer["engine"], answer["precision"]), ("cuda:0", "cuda", "fp32"))
        self.assertIn("cuda fp16 on cuda:0: ", self.run_tool("benchmark", "--model-file", self.model(), "--seconds", 0.1,
                                                            "--warmup", 0).stdout)

    def test_an_engine_that_is_named_decides_what_auto_is(self):
        for engine, device in (("onednn", "cpu"), ("cuda", "cuda:0")):
            self.assertEqual(self.speed_of("--engine", engine)["device"], device)
        done = self.run_tool("benchmark", "--model-file", self.model(), "--engine", "onednn", "--device", "cuda",
                             status=cli.USAGE)
        self.assert_error(done, "engine onednn runs on the CPU, not on cuda:0", "use engine auto, or device cpu")

    def test_eval_names_the_gpu(self):
        for label in ("red", "green", "blue"):
            self.write(f"data/{label}/a.png", cli.plain_png(1, 2, 3))
        answer = self.json_of("eval", "--model-file", self.model(), "--data", self.folder / "data")
        self.assertEqual((answer["device"], answer["engine"], answer["precision"]), ("cuda:0", "cuda", "fp16"))

    def test_a_model_that_the_gpu_cannot_run_takes_the_cpu_unless_the_gpu_was_named(self):
        if not TORCH_MODULE.exists():
            self.skipTest("not tested: this build has no LibTorch")
        group = self.folder / "group.safetensors"
        self.run_tool("convert", self.model(), group, "--norm", "group")
        arguments = ["predict", "--model-file", group, self.pictures[0]]
        done = self.run_tool(*arguments, "--verbose")
        self.assertEqual(done.stderr.count("device auto is the CPU: engine cuda has no group normalisation"), 1, done.stderr)
        done = self.run_tool(*arguments, "--device", "cuda", status=cli.INCOMPATIBLE)
        self.assert_error(done, "engine cuda has no group normalisation", "use device cpu or auto")
        done = self.run_tool(*arguments, "--precision", "fp16", status=cli.USAGE)
        self.assert_error(done, "precision 'fp16' needs a GPU")

    def test_another_cudnn_is_named_and_auto_goes_without(self):
        self.environment["FAKE_CUDNN_VERSION"] = "80905"
        arguments = ["predict", "--model-file", self.model(), self.pictures[0]]
        self.assertIn("device auto is the CPU: cuDNN 8.9 is loaded", self.run_tool(*arguments, "--verbose").stderr)
        done = self.run_tool(*arguments, "--device", "cuda", status=cli.INCOMPATIBLE)
        self.assert_error(done, "cuDNN", "nvidia-cudnn-cu13")
        devices = {device["name"]: device for device in self.json_of("devices")["devices"]}
        self.assertNotIn("runs", devices["cuda:0"])

    def test_too_large_a_batch_names_one_that_may_fit(self):
        self.environment["FAKE_GPU_MEMORY"] = str(20 << 20)
        arguments = ["predict", "--model-file", self.model(), *self.pictures, "--batch-size"]
        done = self.run_tool(*arguments, 512, status=cli.MEMORY)
        self.assert_error(done, "batches of 512: ", "a batch of ", " may fit")
        fitting = int(done.stderr.split("a batch of ")[1].split()[0])
        self.run_tool(*arguments, fitting)

    def test_a_gpu_that_has_no_room_at_all_is_not_available(self):
        self.environment["FAKE_GPU_MEMORY"] = str(100 << 10)
        arguments = ["predict", "--model-file", self.model(), self.pictures[0]]
        self.assertIn("device auto is the CPU: batches of ", self.run_tool(*arguments, "--verbose").stderr)
        done = self.run_tool(*arguments, "--device", "cuda", status=cli.DEVICE)
        self.assert_error(done, "out of memory", "end other programs on the GPU, or use device cpu")

    def test_devices_says_that_the_gpu_runs_inference(self):
        found = self.json_of("devices")
        gpu = {device["name"]: device for device in found["devices"]}["cuda:0"]
        self.assertEqual((gpu["usable"], gpu["runs"]), (True, "inference"))
        self.assertTrue({part["name"]: part for part in found["parts"]}["cudnn"]["usable"])

    def test_training_says_why_libtorch_cannot_use_the_gpu(self):
        """Its CUDA half lacks its libraries, or finds no GPU through them."""
        done = self.run_tool("train", "--data", self.folder, "--output", self.folder / "run", "--device", "cuda",
                             status=cli.DEVICE)
        self.assert_error(done, "device 'cuda:0': LibTorch")
        self.assertFalse((self.folder / "run").exists())
        parts = {part["name"]: part for part in self.json_of("devices")["parts"]}
        self.assertFalse(parts["libtorch-cuda"]["usable"])
        self.assertIn("LibTorch", parts["libtorch-cuda"]["reason"])


if __name__ == "__main__":
    cli.main()
