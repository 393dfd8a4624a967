# SPDX-License-Identifier: MIT
"""What the tests of training share: small labelled folders, and what a run leaves."""
import hashlib
import json
import pathlib
import random
import struct

import cli

CLASSES = ("red", "green", "blue")


def noisy_png(draw, colour, size=32):
    """A patch of the class's colour in noise: learnable, and no two are alike."""
    width, height = (size, size) if isinstance(size, int) else size
    left, top = draw.randrange(width // 2), draw.randrange(height // 2)

    def pixel(x, y):
        value = [draw.randrange(120) for _ in range(3)]
        if left <= x < left + width // 2 and top <= y < top + height // 2:
            value[colour] += 100
        return value

    return cli.png(width, height, pixel)


def write_part(folder, each, seed, classes=CLASSES, size=32):
    draw = random.Random(seed)
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(each):
            (folder / name / f"{i:03}.png").write_bytes(noisy_png(draw, number % 3, size))


def tensors_of(path):
    """Name -> bytes of a safetensors file."""
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    begin = 8 + length
    return {name: data[begin + row["data_offsets"][0]:begin + row["data_offsets"][1]]
            for name, row in header.items() if name != "__metadata__"}


def card_of(path):
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(json.loads(data[8:8 + length])["__metadata__"]["resnetft"])


def weights_hash(path):
    digest = hashlib.sha256()
    for name, values in sorted(tensors_of(path).items()):
        digest.update(name.encode() + values)
    return digest.hexdigest()


def metrics_of(run, times=False):
    """The lines of metrics.jsonl, without what a clock measured."""
    lines = [json.loads(line) for line in (pathlib.Path(run) / "metrics.jsonl").read_text().splitlines()]
    if not times:
        for line in lines:
            for timed in ("seconds", "images-per-second", "features-per-second"):
                line.pop(timed, None)
    return lines


class TrainCase(cli.Case):
    """Two epochs of three batches on 24 pictures, judged on 9, from random weights."""

    def setUp(self):
        super().setUp()
        self.data = self.folder / "data"
        write_part(self.data / "train", 8, 1)
        write_part(self.data / "val", 3, 2)
        self.base = self.model(seed=3)

    def arguments(self, *more, output="run", data=None, base=None):
        return ["train", "--data", data or self.data, "--output", self.folder / output, "--model-file",
                base or self.base, "--epochs", 2, "--batch-size", 8, "--trainable", "all", "--threads", 1,
                "--workers", 1, *more]

    def train(self, *more, output="run", status=0, data=None, base=None, **options):
        """What the run says in JSON."""
        done = self.run_tool(*self.arguments(*more, output=output, data=data, base=base), "--json", status=status,
                             **options)
        return json.loads(done.stdout) if done.stdout else done

    def hash_of(self, output="run"):
        return weights_hash(self.folder / output / "model.safetensors")
