#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes data/checkpoints with the Python stack (torch 2.11.0): the same three tensors in every form that torch.save()
has had, and two files that must be refused."""
import io
import os
import zipfile

import torch

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "checkpoints")


def tensors(dtype, prefix=""):
    a = torch.arange(6, dtype=dtype).reshape(2, 3)
    # b is strided and shares its storage with a; c is a scalar.
    return {prefix + "a": a, prefix + "b": a.t(), prefix + "c": torch.tensor(-1.5, dtype=dtype)}


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/resnetft-was-run",)


def save(name, value, **options):
    torch.save(value, os.path.join(FOLDER, name), **options)


os.makedirs(FOLDER, exist_ok=True)
save("zip_f32.pth", tensors(torch.float32))
save("zip_f16.pth", tensors(torch.float16))
save("zip_bf16.pth", tensors(torch.bfloat16))
save("zip_f64.pth", tensors(torch.float64))
save("zip_module.pth", tensors(torch.float32, "module."))
optimizer = {"state": {0: {"step": 3, "momentum_buffer": None}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
nested = {"epoch": 7, "best": 0.5, "name": "x", "optimizer": optimizer, "state_dict": tensors(torch.float32, "module.")}
save("zip_nested.pth", nested)
save("legacy_f32.th", tensors(torch.float32), _use_new_zipfile_serialization=False)
save("legacy_nested.th", nested, _use_new_zipfile_serialization=False)
save("evil.pth", {"a": torch.zeros(1), "b": Evil()})

stored = io.BytesIO()
torch.save(tensors(torch.float32), stored)
with zipfile.ZipFile(stored) as source, \
        zipfile.ZipFile(os.path.join(FOLDER, "compressed.pth"), "w", zipfile.ZIP_DEFLATED) as target:
    for entry in source.namelist():
        target.writestr(entry, source.read(entry))
