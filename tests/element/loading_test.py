#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves by the loader's own log that a registry scan of the plugin touches neither CUDA nor LibTorch."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import tap  # noqa: E402
from eventually import HANG_GUARD_S  # noqa: E402


def loaded_by(*command):
    """What the loader was asked for, in the log of one process that knows no other plugins: some open a driver."""
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, LD_DEBUG="files", LD_DEBUG_OUTPUT=f"{folder}/loader",
                           GST_REGISTRY=f"{folder}/registry.bin", GST_PLUGIN_SYSTEM_PATH=folder)
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True, timeout=HANG_GUARD_S)
        return "".join(path.read_text(errors="replace") for path in pathlib.Path(folder).glob("loader.*"))


class Loading(unittest.TestCase):
    def test_a_registry_scan_loads_the_plugin_but_neither_cuda_nor_libtorch_nor_opencv(self):
        log = loaded_by("gst-inspect-1.0", "resnetclassify")
        self.assertTrue("libgstresnetft.so" in log)
        for library in ("libcuda.so", "libresnetft-cuda", "libresnetft-torch", "libtorch_cpu", "libopencv", "libblas"):
            self.assertFalse(library in log, library)


if __name__ == "__main__":
    tap.main()
