# SPDX-License-Identifier: MIT
"""What gpu_bench and gpu_training_bench measure, beside the same work in Python PyTorch on the same GPU, and the ratio of
the two. Prints a line each; --json FILE keeps the figures too. Python's side needs torchvision."""
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


def rate_of(work, images):
    """Images a second; `work` waits for its result."""
    for _ in range(WARM_UP):
        work()
    begin, rounds = time.perf_counter(), 0
    while time.perf_counter() - begin < SECONDS:
        work()
        rounds += 1
    return rounds * images / (time.perf_counter() - begin)


def inference(architecture, batch, compiled):
    """In fp16, with the copies of pictures and logits."""
    net = getattr(torchvision.models, architecture)().cuda().half().to(memory_format=torch.channels_last).eval()
    if compiled:
        net = torch.compile(net, mode="max-autotune")
    pictures = torch.rand(batch, 3, 224, 224).half().contiguous(memory_format=torch.channels_last).pin_memory()
    with torch.inference_mode():
        return rate_of(lambda: net(pictures.cuda(non_blocking=True)).float().cpu(), batch)


def training(compiled):
    """ResNet-50 in bfloat16 on one batch that lies on the GPU."""
    torch.backends.cudnn.benchmark = True
    net = torchvision.models.resnet50().cuda().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9, weight_decay=1e-4, fused=True)
    pictures = torch.rand(TRAINING_BATCH, 3, 224, 224, device="cuda").contiguous(memory_format=torch.channels_last)
    ids = torch.arange(TRAINING_BATCH, device="cuda") % 1000
    forward = torch.compile(net) if compiled else net

    def step():
        with torch.autocast("cuda", torch.bfloat16):
            logits = forward(pictures)
        loss = F.cross_entropy(logits.float(), ids)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return rate_of(step, TRAINING_BATCH)


def python_rate(what, compiled):
    """None for what Python has no equal of."""
    if what.startswith("train-"):
        return training(compiled)
    architecture, precision, *rest = what.split("-")
    return inference(architecture, int(rest[-1]), compiled) if precision == "fp16" else None


def ours(program):
    done = subprocess.run([program, "--json"], stdout=subprocess.PIPE)
    if done.returncode:
        sys.exit(f"bench: {program.name} failed")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=pathlib.Path, required=True, help="the folder that holds both programs")
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    found = ours(arguments.programs / "gpu_bench")
    found["measured"].extend(ours(arguments.programs / "gpu_training_bench"))
    print(found["gpu"])
    if torch is None:
        print(f"Python's side is NOT MEASURED: {REASON}")
    for row in found["measured"]:
        if "us" in row:
            print(f"{row['what']}: " + ", ".join(f"{name} {value} us" for name, value in row["us"].items()))
            continue
        line = f"{row['what']}: {row['images-per-second']:.1f} images/s"
        for name, compiled in (("eager", False), ("compiled", True)):
            rate = python_rate(row["what"], compiled) if torch is not None else None
            if rate:
                row[f"python-{name}"] = round(rate, 1)
                line += f"; {row['images-per-second'] / rate:.2f} times Python {name} ({rate:.1f})"
        print(line, flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
