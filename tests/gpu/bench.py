# SPDX-License-Identifier: MIT
"""What gpu_bench and gpu_training_bench measure, beside the same work in Python PyTorch on the same GPU, the ratio of
the two, and whether it is what is aimed at. Prints a line each; --json FILE keeps the figures too. Python's side needs
torchvision; TensorRT is measured where torch_tensorrt is."""
import argparse
import json
import pathlib
import subprocess
import sys
import time

try:
    import torch
    import torch.nn.functional as F
    import torchvision
except ImportError as missing:
    torch, REASON = None, str(missing)

SECONDS, WARM_UP = 2, 20
TRAINING_BATCH = 128

# How many times Python's images/s are aimed at, by batch.
AIMS = {1: {"compiled": 1.3}, 64: {"compiled": 1.0}}
TENSORRT_AIM = 0.8
TRAINING_AIM = 1.0
# Of our own figures. The time is that of an H100; files may miss theirs by right where the CPU is the limit.
OWN_AIMS = {
    "preprocess-1080p-nv12": ("p50", "at most", 50),
    "jpeg-folder-train-resnet50-bf16-batch-128": ("of-synthetic", "at least", 0.9),
    "live-resnet18-fp16-1080p-30fps-while-training": ("p99-ratio", "at most", 1.5),
}
# ResNet-50 at batch 128 on an RTX 3090, pictures on the GPU: eager PyTorch in fp32 75.41 ms, Torch-TensorRT in fp16
# 14.69 ms.
# https://github.com/pytorch/TensorRT/blob/main/notebooks/Resnet50-example.ipynb
PUBLISHED = {"resnet50-fp16-batch-128": 75.41 / 14.69}


def rate_of(work, images, finish=lambda: None):
    """Images a second; `work`, or else `finish`, waits for its result."""
    for _ in range(WARM_UP):
        work()
    finish()
    begin, rounds = time.perf_counter(), 0
    while time.perf_counter() - begin < SECONDS:
        work()
        rounds += 1
    finish()
    return rounds * images / (time.perf_counter() - begin)


def tensorrt(net, pictures):
    import torch_tensorrt

    try:
        return torch_tensorrt.compile(net, ir="dynamo", inputs=[pictures], enabled_precisions={torch.half})
    except (AssertionError, TypeError, ValueError):  # later versions take the net's own types
        return torch_tensorrt.compile(net, ir="dynamo", inputs=[pictures])


def inference(architecture, batch, form):
    """In fp16, from floats in pinned memory to logits in the host's, as gpu_bench."""
    net = getattr(torchvision.models, architecture)().cuda().half().to(memory_format=torch.channels_last).eval()
    pictures = torch.rand(batch, 3, 224, 224).contiguous(memory_format=torch.channels_last).pin_memory()
    torch.compiler.reset()
    with torch.inference_mode(form != "tensorrt"), torch.no_grad():
        if form == "compiled":
            net = torch.compile(net, mode="max-autotune")
        elif form == "tensorrt":
            net = tensorrt(net, pictures.cuda().half())
        return rate_of(lambda: net(pictures.cuda(non_blocking=True).half()).float().cpu(), batch)


def eager_fp32(architecture, batch):
    """As the published figures were measured."""
    net = getattr(torchvision.models, architecture)().cuda().eval()
    pictures = torch.rand(batch, 3, 224, 224, device="cuda")

    def work():
        net(pictures)
        torch.cuda.synchronize()

    with torch.no_grad():
        return rate_of(work, batch)


def training(compiled):
    """ResNet-50 in bfloat16 on one batch that lies on the GPU."""
    net = torchvision.models.resnet50().cuda().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9, weight_decay=1e-4, fused=True)
    pictures = torch.rand(TRAINING_BATCH, 3, 224, 224, device="cuda").contiguous(memory_format=torch.channels_last)
    ids = torch.arange(TRAINING_BATCH, device="cuda") % 1000
    forward = torch.compile(net) if compiled else net
    before = None

    def step():  # reads the loss of the step before, as ours does: the GPU goes on meanwhile
        nonlocal before
        with torch.autocast("cuda", torch.bfloat16):
            logits = forward(pictures)
        loss = F.cross_entropy(logits.float(), ids)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        before, last = loss.detach(), before
        return last.item() if last is not None else None

    return rate_of(step, TRAINING_BATCH, torch.cuda.synchronize)


def peers(what):
    """Name, what to call for its images/s, and the aim or None, of each that does the same."""
    if what.startswith("train-"):
        return [("eager", lambda: training(False), None), ("compiled", lambda: training(True), TRAINING_AIM)]
    architecture, precision, *rest = what.split("-")
    if precision != "fp16" or rest[:-1] != ["batch"]:
        return []
    batch = int(rest[-1])
    found = []
    for form in ("eager", "compiled", "tensorrt") if batch in AIMS else ("eager", "tensorrt"):
        aim = TENSORRT_AIM if form == "tensorrt" else AIMS.get(batch, {}).get(form)
        found.append((form, lambda form=form: inference(architecture, batch, form), aim))
    if what in PUBLISHED:
        aim = TENSORRT_AIM * PUBLISHED[what]
        found.append(("eager-fp32", lambda: eager_fp32(architecture, batch), aim))
    return found


def own_aim(row):
    """What to say of it; the row has it, too."""
    if row["what"] not in OWN_AIMS:
        return ""
    name, side, aim = OWN_AIMS[row["what"]]
    value = row[name] if name in row else row["us"][name]
    met = value >= aim if side == "at least" else value <= aim
    row[f"aim-{name}"] = {"aim": aim, "value": value, "met": met}
    limit = f", the {row['limit']} is the limit" if "limit" in row else ""
    return f"; {name} {value:.2f}{limit}, aim {side} {aim} {'met' if met else 'MISSED'}"


def compare(row):
    """A line of text; the row has the figures, too."""
    line = f"{row['what']}: {row['images-per-second']:.1f} images/s"
    for name, measure, aim in peers(row["what"]) if torch is not None else []:
        try:
            rate = measure()
        except Exception as failure:  # whatever is missing on this machine, the other figures count
            reason = (str(failure).splitlines() or [type(failure).__name__])[0]
            row[f"python-{name}-failure"] = reason
            line += f"; Python {name} NOT MEASURED: {reason}"
            continue
        ratio = row["images-per-second"] / rate
        row[f"python-{name}"] = round(rate, 1)
        line += f"; {ratio:.2f} times Python {name} ({rate:.1f})"
        if aim:
            row[f"aim-{name}"] = {"aim": round(aim, 3), "ratio": round(ratio, 3), "met": ratio >= aim}
            line += f", aim {aim:.2f} {'met' if ratio >= aim else 'MISSED'}"
        if name == "eager-fp32":
            line += f", {ratio / PUBLISHED[row['what']]:.2f} of TensorRT's published {PUBLISHED[row['what']]:.2f}"
    return line + own_aim(row)


def ours(program):
    """None where it failed."""
    done = subprocess.run([program, "--json"], stdout=subprocess.PIPE)
    if done.returncode:
        print(f"bench: {program.name} failed", file=sys.stderr)
    return None if done.returncode else json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=pathlib.Path, required=True, help="the folder that holds both programs")
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    inference_rows = ours(arguments.programs / "gpu_bench")
    training_rows = ours(arguments.programs / "gpu_training_bench")
    found = inference_rows or {"gpu": "?", "measured": []}
    found["measured"].extend(training_rows or [])
    print(found["gpu"])
    if torch is None:
        print(f"Python's side is NOT MEASURED: {REASON}")
    else:
        torch.backends.cudnn.benchmark = True
    for row in found["measured"]:
        if "us" in row:
            times = ", ".join(f"{name} {value} us" for name, value in row["us"].items())
            print(f"{row['what']}: {times}{own_aim(row)}", flush=True)
        else:
            print(compare(row), flush=True)
        if arguments.json:  # what is measured so far, should the rest take too long
            arguments.json.write_text(json.dumps(found) + "\n")
    sys.exit(inference_rows is None or training_rows is None)


if __name__ == "__main__":
    main()
