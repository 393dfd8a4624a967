# SPDX-License-Identifier: MIT
"""What the tests of ft-tool share: running it, a tiny model, pictures. FT_TOOL names the program."""
import array
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/support"))
from eventually import HANG_GUARD_S, eventually  # noqa: E402, F401
from tap import main  # noqa: E402, F401
FT_TOOL = os.environ["FT_TOOL"]
GOLDEN_PICTURES = ROOT / "tests/data/preprocess"
DATA = pathlib.Path(os.environ.get("RESNETFT_DATA", ROOT / "../shared/data"))

# Exit statuses, lib/base/error.cpp.
CHECK_FAILED, USAGE, NOT_FOUND, IO, CORRUPT, INCOMPATIBLE, DEVICE, MEMORY, CANCELLED = range(1, 10)


def png(width, height, pixel):
    """An RGB picture; pixel(x, y) gives three values."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(v for x in range(width) for v in pixel(x, y)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def plain_png(red, green, blue):
    return png(32, 32, lambda x, y: (red, green, blue))


def resnet20_tensors(num_classes, seed=0):
    """Name -> (shape, float32 bytes) of a CIFAR ResNet-20 with random weights."""
    draw = random.Random(seed)
    tensors = {}

    def add(name, shape, values):
        tensors[name] = (list(shape), array.array("f", values).tobytes())

    def convolution(name, out, into):
        deviation = (2 / (into * 9)) ** 0.5
        add(name + ".weight", (out, into, 3, 3), (draw.gauss(0, deviation) for _ in range(out * into * 9)))

    def norm(name, channels):
        for part, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
            add(f"{name}.{part}", (channels,), [value] * channels)

    convolution("conv1", 16, 3)
    norm("bn1", 16)
    into = 16
    for stage, out in enumerate((16, 32, 64), 1):
        for block in range(3):
            for part in (1, 2):
                convolution(f"layer{stage}.{block}.conv{part}", out, into if part == 1 else out)
                norm(f"layer{stage}.{block}.bn{part}", out)
            into = out
    add("linear.weight", (num_classes, 64), (draw.gauss(0, 0.003) for _ in range(num_classes * 64)))
    add("linear.bias", (num_classes,), [0] * num_classes)
    return tensors


def card_of(labels, num_classes):
    return {"architecture": "resnet20", "num-classes": num_classes, "labels": labels, "normalization": "batch",
            "preprocess": {"mode": "stretch", "interpolation": "bilinear", "resize": 0, "crop": [32, 32],
                           "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
            "temperature": 1.0, "provenance": {}}


def write_safetensors(path, tensors, card=None):
    header, data = {}, b""
    if card is not None:
        header["__metadata__"] = {"resnetft": json.dumps(card)}
    for name in sorted(tensors):
        shape, values = tensors[name]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


class Case(unittest.TestCase):
    """Each test has a folder of its own, `self.folder`, and a model in it where it asks for one."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ft-tool-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def model(self, labels=("red", "green", "blue"), num_classes=None, name="model.safetensors", seed=0):
        """With `labels` None: bare weights without a card."""
        path = self.folder / name
        count = num_classes or len(labels)
        write_safetensors(path, resnet20_tensors(count, seed), None if labels is None else card_of(list(labels), count))
        return str(path)

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def run_tool(self, *arguments, status=0, **options):
        """What ft-tool leaves: .stdout and .stderr as text (bytes that are not UTF-8 as surrogates)."""
        options.setdefault("timeout", 600)
        done = subprocess.run([FT_TOOL, *map(str, arguments)], capture_output=True, encoding="utf-8",
                              errors="surrogateescape", **options)
        self.assertEqual(done.returncode, status, f"stdout: {done.stdout[-2000:]}\nstderr: {done.stderr[-2000:]}")
        return done

    def json_of(self, *arguments, **options):
        """The one object on standard output."""
        return json.loads(self.run_tool(*arguments, "--json", **options).stdout)

    def assert_error(self, done, *parts):
        """One line "ft-tool: message; hint" that has all `parts`, and nothing on standard output."""
        self.assertEqual(done.stdout, "")
        self.assertTrue(done.stderr.startswith("ft-tool: "), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for part in parts:
            self.assertIn(part, done.stderr)
