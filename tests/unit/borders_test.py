#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves from the include lines that an area of lib includes only areas to its left, that public headers are plain,
and that the plugin and the tool never meet."""
import pathlib
import re
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import tap  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
CUDA = ["lib/device/cuda", "lib/infer/cuda"]  # what the CUDA module is made of
AREAS = ["base", "image", "device", "model", "data", "infer", "train", "live"]
# Where the public header of a name is implemented.
PUBLIC = {"error": "base", "log": "base", "image": "image", "preprocess": "image", "model": "model",
          "classifier": "infer", "model_hub": "infer", "smoother": "infer"}
FOREIGN = re.compile(r"^(torch|ATen|c10|caffe2|glib|gst|cuda|cudnn|opencv|oneapi|dnnl)", re.IGNORECASE)


def includes(path):
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(encoding="utf-8"), re.MULTILINE)


def sources(folder):
    return sorted(p for ending in ("*.h", "*.cpp", "*.cu") for p in (ROOT / folder).rglob(ending))


def area_of(include):
    parts = include.split("/")
    if parts[0] == "resnetft":
        return PUBLIC[parts[1].removesuffix(".h")]
    return parts[0] if parts[0] in AREAS and len(parts) > 1 else None


class Borders(unittest.TestCase):
    def test_an_area_includes_only_areas_to_its_left(self):
        checked = 0
        for index, area in enumerate(AREAS):
            for path in sources(f"lib/{area}"):
                for include in includes(path):
                    other = area_of(include)
                    if other is None:
                        continue
                    checked += 1
                    self.assertLessEqual(AREAS.index(other), index, f"{path} includes {include}")
        self.assertGreater(checked, 20)

    def test_public_headers_are_plain_and_in_the_table(self):
        for path in sources("lib/include/resnetft"):
            self.assertIn(path.stem, PUBLIC)
            for include in includes(path):
                self.assertIsNone(FOREIGN.match(include), f"{path} includes {include}")

    def test_the_onednn_engine_never_sees_torch(self):
        for path in sources("lib/infer/onednn"):
            for include in includes(path):
                self.assertIsNone(re.match(r"(torch|ATen|c10)/", include), f"{path} includes {include}")

    def test_cuda_headers_stay_in_the_cuda_module(self):
        inside = 0
        for folder in ("lib", "plugin", "tools"):
            for path in sources(folder):
                for include in includes(path):
                    if re.match(r"(cuda|cudnn|cublas)[^/]*\.h$", include):
                        self.assertTrue(any(ROOT / mine in path.parents for mine in CUDA), f"{path} includes {include}")
                        inside += 1
        self.assertGreater(inside, 1)

    def test_what_nvcc_compiles_includes_plain_headers(self):
        for path in (path for folder in CUDA for path in sources(folder)):
            for include in includes(path) if path.suffix == ".cu" else []:
                self.assertRegex(include, "^(device|infer)/cuda/", f"{path} includes {include}")

    def test_plugin_and_tools_never_meet(self):
        for mine, other in (("plugin", "tools"), ("tools", "plugin")):
            for path in sources(mine):
                for include in includes(path):
                    self.assertFalse(include.startswith(other + "/"), f"{path} includes {include}")


if __name__ == "__main__":
    tap.main()
