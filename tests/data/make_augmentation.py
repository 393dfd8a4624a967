#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes augmentation/trivial.json: what torchvision's TrivialAugmentWide makes of a small Pillow picture, operation by
operation. `before` and `after` are [height, width, 3] bytes in hexadecimal. Made with torchvision 0.26.0 and Pillow 13."""
import json
import pathlib

import numpy
import PIL.Image
import torchvision.transforms.autoaugment as autoaugment
from torchvision.transforms import InterpolationMode

WIDTH, HEIGHT = 9, 7
STRENGTHS = (0, 4, 15, 20, 30)

random = numpy.random.default_rng(1)
# Not the whole range, so that autocontrast and equalize have something to do.
before = random.integers(20, 230, (HEIGHT, WIDTH, 3), dtype=numpy.uint8)
picture = PIL.Image.fromarray(before)
# Equalize leaves pictures of fewer than 255 pixels as they are.
wide_before = random.integers(60, 200, (24, 32, 3), dtype=numpy.uint8)

space = autoaugment.TrivialAugmentWide()._augmentation_space(31)
cases = []
for name, (magnitudes, signed) in space.items():
    for strength in STRENGTHS if magnitudes.ndim else (0,):
        magnitude = float(magnitudes[strength].item()) if magnitudes.ndim else 0.0
        for sign in (1, -1) if signed and strength else (1,):
            after = autoaugment._apply_op(picture, name, sign * magnitude, InterpolationMode.NEAREST, None)
            cases.append({"operation": name, "strength": strength, "sign": sign, "magnitude": sign * magnitude,
                          "after": numpy.asarray(after).tobytes().hex()})
equalized = autoaugment._apply_op(PIL.Image.fromarray(wide_before), "Equalize", 0, InterpolationMode.NEAREST, None)
document = {"width": WIDTH, "height": HEIGHT, "before": before.tobytes().hex(),
            "signed": {name: signed for name, (_, signed) in space.items()},
            "magnitudes": {name: [float(m) for m in magnitudes] if magnitudes.ndim else [] for name, (magnitudes, _) in
                           space.items()},
            "cases": cases,
            "equalized": {"width": 32, "height": 24, "before": wide_before.tobytes().hex(),
                          "after": numpy.asarray(equalized).tobytes().hex()}}
folder = pathlib.Path(__file__).resolve().parent / "augmentation"
folder.mkdir(exist_ok=True)
(folder / "trivial.json").write_text(json.dumps(document, indent=1) + "\n")
