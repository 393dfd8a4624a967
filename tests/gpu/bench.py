# SPDX-License-Identifier: MIT
"""What gpu_bench and gpu_training_bench measure, beside the same work in Python PyTorch on the same GPU, the ratio of
the two, and whether it is what is aimed at: first our nets and compiled ones, then training, then the rest. Prints a
line for each figure as soon as it is there, and fails where one that is aimed at is missing. Python's side needs
torchvision; TensorRT is measured where torch_tensorrt is."""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import threading
import time

try:
    import torch
    import torch.nn.functional as F
    import torchvision
except ImportError as missing:
    torch, REASON = None, str(missing)

SECONDS, WINDOWS, WARM_UP = 0.7, 3, 20
TRAINING_BATCH = 128
PROGRAM_SECONDS = 300  # that a program of ours may take

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
    """Images a second, the median of the windows'; `work`, or else `finish`, waits for its result."""
    for _ in range(WARM_UP):
        work()
    rates = []
    for _ in range(WINDOWS):
        finish()
        begin, rounds = time.perf_counter(), 0
        while time.perf_counter() - begin < SECONDS:
            work()
            rounds += 1
        finish()
        rates.append(rounds * images / (time.perf_counter() - begin))
    return statistics.median(rates)


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
    losses, copied = [torch.empty((), pin_memory=True) for _ in range(2)], [torch.cuda.Event() for _ in range(2)]
    number = 0

    def step():
        nonlocal number
        with torch.autocast("cuda", torch.bfloat16):
            logits = forward(pictures)
        loss = F.cross_entropy(logits.float(), ids)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        # Reads the loss of the step before, as ours does: the GPU goes on meanwhile, which item() would wait for.
        losses[number % 2].copy_(loss.detach(), non_blocking=True)
        copied[number % 2].record()
        number += 1
        copied[number % 2].synchronize()
        return losses[number % 2].item()

    return rate_of(step, TRAINING_BATCH, torch.cuda.synchronize)


FORMS = ("compiled", "eager", "eager-fp32", "tensorrt")  # in the order in which they are measured


def peers(what):
    """Form, what to call for its images/s, and the aim or None, of each that does the same."""
    if what.startswith("train-"):
        return [("compiled", lambda: training(True), TRAINING_AIM), ("eager", lambda: training(False), None)]
    architecture, precision, *rest = what.split("-")
    if precision != "fp16" or rest[:-1] != ["batch"]:
        return []
    batch = int(rest[-1])
    found = []
    for form in ("compiled", "eager", "tensorrt") if batch in AIMS else ("eager", "tensorrt"):
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


def rows_of(program, names):
    """Each as soon as the program says it; an object that names the GPU comes first."""
    environment = dict(os.environ)
    if "RESNETFT_LIBRARIES" in environment:  # library_path.sh
        environment["LD_LIBRARY_PATH"] = environment["RESNETFT_LIBRARIES"]
    try:
        process = subprocess.Popen([program, *names], stdout=subprocess.PIPE, text=True, env=environment)
    except OSError as failure:  # it was not built
        print(f"bench: {failure}", file=sys.stderr)
        return
    limit = threading.Timer(PROGRAM_SECONDS, process.kill)
    limit.daemon = True
    limit.start()
    with process:
        for line in process.stdout:
            if line.endswith("\n"):  # else it was killed meanwhile
                yield line.strip()
    limit.cancel()
    if process.returncode:
        print(f"bench: {program.name} failed: {process.returncode}", file=sys.stderr)


class Bench:
    def __init__(self, json_file):
        self.json_file = json_file
        self.found = {"gpu": "?", "measured": []}
        self.not_measured = []

    def say(self, line):
        """And keeps what there is, should the rest take too long."""
        print(line, flush=True)
        if self.json_file:
            self.json_file.write_text(json.dumps(self.found) + "\n")

    def ours(self, program, pattern):
        """The rows of those that the pattern finds, a list."""
        all_names = list(rows_of(program, ["--list"]))
        names = [name for name in all_names if re.search(pattern, name)]
        rows = {}
        for line in rows_of(program, ["--json", *names]) if names else []:
            row = json.loads(line)
            if "gpu" in row:
                self.found.update(row)
                self.say(row["gpu"])
                continue
            rows[row["what"]] = row
            self.found["measured"].append(row)
            figures = [f"{name} {value} us" for name, value in row.get("us", {}).items()]
            if "images-per-second" in row:
                figures.append(f"{row['images-per-second']:.1f} images/s")
            self.say(f"{row['what']}: {', '.join(figures)}{own_aim(row)}")
        for name in [name for name in names if name not in rows] if all_names else [program.name]:
            self.not_measured.append(name)
            self.say(f"{name}: NOT MEASURED")
        return list(rows.values())

    def compare(self, row, form, measure, aim):
        line = f"{row['what']}: "
        try:
            if torch is None:
                raise ImportError(REASON)
            torch.compiler.reset()
            torch.cuda.empty_cache()
            rate = measure()
        except Exception as failure:  # whatever is missing on this machine, the other figures count
            reason = (str(failure).splitlines() or [type(failure).__name__])[0]
            row[f"python-{form}-failure"] = reason
            if aim and form != "tensorrt":
                self.not_measured.append(f"{row['what']}, Python {form}")
            self.say(line + f"Python {form} NOT MEASURED: {reason}")
            return
        ratio = row["images-per-second"] / rate
        row[f"python-{form}"] = round(rate, 1)
        line += f"{ratio:.2f} times Python {form} ({rate:.1f})"
        if aim:
            row[f"aim-{form}"] = {"aim": round(aim, 3), "ratio": round(ratio, 3), "met": ratio >= aim}
            line += f", aim {aim:.2f} {'met' if ratio >= aim else 'MISSED'}"
        if form == "eager-fp32":
            line += f", {ratio / PUBLISHED[row['what']]:.2f} of TensorRT's published {PUBLISHED[row['what']]:.2f}"
        self.say(line)


def pairs(rows, forms):
    """Each row and its peers of these forms, form by form."""
    return [(row, *peer) for form in forms for row in rows for peer in peers(row["what"]) if peer[0] == form]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=pathlib.Path, required=True, help="the folder that holds both programs")
    parser.add_argument("--json", type=pathlib.Path, help="keeps the figures there, too")
    parser.add_argument("--only", metavar="REGEX", default="", help="measures the rows that it finds, on both sides")
    arguments = parser.parse_args()
    if torch is not None:
        torch.backends.cudnn.benchmark = True
    bench = Bench(arguments.json)
    rows = bench.ours(arguments.programs / "gpu_bench", arguments.only)
    for pair in pairs(rows, FORMS[:1]):
        bench.compare(*pair)
    training_rows = bench.ours(arguments.programs / "gpu_training_bench", arguments.only)
    for pair in pairs(training_rows, FORMS) + pairs(rows, FORMS[1:]):
        bench.compare(*pair)
    if bench.not_measured:
        print(f"bench: NOT MEASURED: {'; '.join(bench.not_measured)}")
    sys.exit(bool(bench.not_measured))


if __name__ == "__main__":
    main()
