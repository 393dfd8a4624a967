#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes data/checkpoints with the Python stack (torch 2.11.0): the same three tensors in every form that torch.save()
has had, and files that must be refused. PyTorch names each archive at random: running it again changes bytes."""
import argparse
import collections
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

save("zip_protocol4.pth", tensors(torch.float32), pickle_protocol=4)

# b and c are cut out of one flat storage that they share with a, at offsets and with strides of their own.
flat = torch.tensor([0, 1, 2, 3, 4, 5, -1.5, 9, 9])
save("zip_flat.pth", {"a": flat[:6].reshape(2, 3), "b": flat[:6].reshape(2, 3).t(), "c": flat[6:7].squeeze()})

net = torch.nn.Module()
net.a = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))
net.b = torch.nn.Parameter(net.a.data.t())
net.c = torch.nn.Parameter(torch.tensor(-1.5))
save("zip_parameters.pth", dict(net.named_parameters()))
net.c.note = "an attribute, so that the parameter is rebuilt with its state"
save("zip_parameters_with_state.pth", dict(net.named_parameters()))

# What a training script in the manner of torchvision's keeps: optimizer, schedule, options, random state.
sgd = torch.optim.AdamW(net.parameters(), lr=0.1)
net.a.sum().backward()
sgd.step()
schedule = torch.optim.lr_scheduler.MultiStepLR(sgd, [30, 60])
training = {"rng": torch.get_rng_state(), "optimizer": sgd.state_dict(), "lr_scheduler": schedule.state_dict(),
            "args": argparse.Namespace(lr=0.1, device=torch.device("cpu"), dtype=torch.float32), "epoch": 7,
            "model": collections.OrderedDict(tensors(torch.float32, "module."))}
save("zip_training.pth", training)
save("legacy_training.th", training, _use_new_zipfile_serialization=False)
save("zip_deep.pth", {"result": 1, "model": {"state_dict": tensors(torch.float32)}})

torch.serialization.set_crc32_options(False)
save("zip_without_checksums.pth", tensors(torch.float32))
torch.serialization.set_crc32_options(True)


def rewrite(name, method, change=lambda entry, data: data):
    stored = io.BytesIO()
    torch.save(tensors(torch.float32), stored)
    with zipfile.ZipFile(stored) as source, zipfile.ZipFile(os.path.join(FOLDER, name), "w", method) as target:
        for entry in source.namelist():
            target.writestr(zipfile.ZipInfo(entry), change(entry, source.read(entry)), method)


rewrite("compressed.pth", zipfile.ZIP_DEFLATED)
rewrite("zip_of_python.pth", zipfile.ZIP_STORED)
rewrite("big_endian.pth", zipfile.ZIP_STORED, lambda entry, data: b"big" if entry.endswith("byteorder") else data)
