# SPDX-License-Identifier: MIT
"""Writes to standard output what engine_test.cpp needs of CIFAR-10's test set, for it has no decoder: a line that names
each part, "weights NAME SIZE...", "scale MEAN... STD...", "pictures COUNT", followed by its bytes: floats; none; pictures
[COUNT, 32, 32, 3], then what PyTorch takes each for on the CPU, as digits. Argument: the folder that holds
cifar10-images.tar.gz or its test/, weights/ and golden/. Needs Python's torch and Pillow."""
import io
import json
import pathlib
import sys
import tarfile

import torch
from PIL import Image


def test_pictures(data):
    """JPEG bytes by path below test/."""
    if (data / "test").is_dir():
        return {str(path.relative_to(data)): path.read_bytes() for path in (data / "test").glob("*/*.jpg")}
    with tarfile.open(data / "cifar10-images.tar.gz") as archive:
        return {one.name: archive.extractfile(one).read()
                for one in archive if one.name.startswith("test/") and one.isfile()}


def main():
    data, out = pathlib.Path(sys.argv[1]), sys.stdout.buffer
    golden = json.loads((data / "golden" / "cifar_resnet20.json").read_text())
    state = torch.load(data / "weights" / golden["weights"], map_location="cpu", weights_only=False)["state_dict"]
    for name, tensor in state.items():
        if tensor.is_floating_point():
            out.write(f"weights {name.removeprefix('module.')} {' '.join(map(str, tensor.shape))}\n".encode())
            out.write(tensor.contiguous().numpy().tobytes())
    out.write(f"scale {' '.join(map(str, golden['mean'] + golden['std']))}\n".encode())
    pictures = test_pictures(data)
    assert len(pictures) == len(golden["predictions"])
    out.write(f"pictures {len(pictures)}\n".encode())
    for _, picture in sorted(pictures.items()):
        out.write(Image.open(io.BytesIO(picture)).convert("RGB").tobytes())
    out.write(golden["predictions"].encode())


if __name__ == "__main__":
    main()
