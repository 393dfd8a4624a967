#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures ResNets on eager PyTorch, ONNX Runtime, OpenVINO and resnetft's engine, one after the other in rounds.

Every engine is a process of its own that reads commands from stdin ("run N", "logits", "memory", "quit") and answers
each with one line, as engine_bench.cpp does. In each round every engine runs for about the same time while the others
sleep, and the ratios are taken within the round: what else the machine does then falls on all of them alike. Weights
are random, from seed 0; all engines get the same weights, input, thread count and precision, and must agree.
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

PEERS = ["eager", "onnxruntime", "openvino"]
OURS = "resnetft"


# The workers.

def input_picture(batch, size):
    import numpy
    index = numpy.arange(batch * 3 * size * size, dtype=numpy.uint64)
    hashed = (index * numpy.uint64(2654435761)) % numpy.uint64(2**32)
    return (hashed / 2**32 - 0.5).astype(numpy.float32).reshape(batch, 3, size, size)


def eager_runner(args):
    import safetensors.torch
    import torch
    import torchvision
    torch.set_num_threads(args.threads)
    model = torchvision.models.get_model(args.arch)
    model.load_state_dict(safetensors.torch.load_file(args.weights), strict=False)
    data = torch.from_numpy(input_picture(args.batch, args.size))
    if args.precision == "bf16":
        model, data = model.bfloat16(), data.bfloat16()
    model.eval()

    def run():
        with torch.inference_mode():
            return model(data).float().numpy()
    return run


def onnxruntime_runner(args):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(args.onnx, options, providers=["CPUExecutionProvider"])
    data = {session.get_inputs()[0].name: input_picture(args.batch, args.size)}
    return lambda: session.run(None, data)[0]


def openvino_runner(args):
    import openvino
    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": args.threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1,
                "INFERENCE_PRECISION_HINT": "bf16" if args.precision == "bf16" else "f32"}
    request = core.compile_model(core.read_model(args.onnx), "CPU", settings).create_infer_request()
    data = openvino.Tensor(input_picture(args.batch, args.size))
    request.set_input_tensor(data)

    def run():
        request.infer()
        return request.get_output_tensor().data
    return run


def memory():
    """Bytes resident at most since the start, and now."""
    status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
    return [int(status[key].split()[0]) * 1024 for key in ("VmHWM", "VmRSS")]


def worker(args):
    start = time.perf_counter()
    run = {"eager": eager_runner, "onnxruntime": onnxruntime_runner, "openvino": openvino_runner}[args.worker](args)
    print(f"built {time.perf_counter() - start:.3f}", flush=True)
    result = None
    for line in sys.stdin:
        command = line.split()
        if command[0] == "quit":
            break
        answer = []
        if command[0] == "run":
            for _ in range(int(command[1])):
                start = time.perf_counter()
                result = run()
                answer.append(time.perf_counter() - start)
        elif command[0] == "logits":
            answer = [float(value) for value in result[0]]
        elif command[0] == "memory":
            answer = memory()
        print(*answer, flush=True)


# The referee.

class Engine:
    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.build_seconds = float(self.answer()[1])
        self.rounds = []  # seconds of a batch, the median of each round

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"peers: {self.name} ended with status {self.process.wait()}")
        return line.split()

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return [float(word) for word in self.answer()]

    def warm_up(self, seconds):
        self.ask("run 2")
        self.count = max(3, round(seconds / statistics.median(self.ask("run 3"))))

    def run_round(self):
        self.rounds.append(statistics.median(self.ask(f"run {self.count}")))

    def close(self):
        self.process.stdin.write("quit\n")
        self.process.stdin.close()
        self.process.wait()


def write_models(folder, arch, batches, size):
    import safetensors.torch
    import torch
    import torchvision
    torch.manual_seed(0)
    model = torchvision.models.get_model(arch).eval()
    weights = {name: value for name, value in model.state_dict().items() if value.is_floating_point()}
    safetensors.torch.save_file(weights, folder / f"{arch}.safetensors")
    warnings.simplefilter("ignore")  # the exporter announces its successor
    for batch in batches:
        torch.onnx.export(model, (torch.zeros(batch, 3, size, size),), str(folder / f"{arch}_{batch}.onnx"),
                          dynamo=False)


def command_of(name, args, folder, arch, batch):
    weights, onnx = folder / f"{arch}.safetensors", folder / f"{arch}_{batch}.onnx"
    if name == OURS:
        return [args.engine_bench, weights, arch, str(batch), str(args.threads), args.precision, str(args.size),
                str(args.size)]
    return [sys.executable, __file__, "--worker", name, "--weights", weights, "--onnx", onnx, "--arch", arch,
            "--batch", str(batch), "--threads", str(args.threads), "--precision", args.precision,
            "--size", str(args.size)]


def measure(args, folder, arch, batch):
    names = [OURS] + [name for name in args.peers if not (name == "onnxruntime" and args.precision == "bf16")]
    engines = [Engine(name, command_of(name, args, folder, arch, batch)) for name in names]
    for engine in engines:
        engine.warm_up(args.seconds)
    for number in range(args.rounds):
        for engine in engines if number % 2 == 0 else reversed(engines):
            engine.run_round()
    logits = [engine.ask("logits") for engine in engines]
    largest = max(abs(value) for value in logits[-1])
    rows = []
    for engine, own in zip(engines, logits):
        peak, resident = engine.ask("memory")
        rows.append({
            "arch": arch, "batch-size": batch, "engine": engine.name,
            "images-per-second": batch / statistics.median(engine.rounds),
            "speed-of-ours": statistics.median(theirs / ours for ours, theirs in zip(engines[0].rounds, engine.rounds)),
            "rss-bytes": int(resident), "peak-rss-bytes": int(peak), "build-seconds": engine.build_seconds,
            "difference": max(abs(a - b) for a, b in zip(own, logits[-1])) / largest})
        engine.close()
    return rows


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def instruction_sets():
    flags = set(pathlib.Path("/proc/cpuinfo").read_text().split())
    return [name for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if name in flags]


def print_table(result):
    print(f"{result['processor']} ({', '.join(result['instruction-sets'])}), {result['threads']} threads, "
          f"{result['precision']}, medians of {result['rounds']} rounds")
    print("difference: of the logits from the last engine's, as a part of the largest\n")
    print(f"{'net':12} {'batch':>5}  {'engine':12} {'images/s':>9} {'ours/it':>8} {'RSS MB':>8} {'peak MB':>8} "
          f"{'build s':>8} {'difference':>10}")
    for row in result["rows"]:
        print(f"{row['arch']:12} {row['batch-size']:5}  {row['engine']:12} {row['images-per-second']:9.1f} "
              f"{row['speed-of-ours']:8.2f} {row['rss-bytes'] / 1e6:8.0f} {row['peak-rss-bytes'] / 1e6:8.0f} "
              f"{row['build-seconds']:8.2f} {row['difference']:10.1e}")


def referee(args):
    if not args.engine_bench or not os.access(args.engine_bench, os.X_OK):
        raise SystemExit(f"peers: there is no program '{args.engine_bench}'; name it with --engine-bench")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for arch in args.archs:
            write_models(folder, arch, args.batches, args.size)
            for batch in args.batches:
                rows += measure(args, folder, arch, batch)
    result = {"processor": processor(), "instruction-sets": instruction_sets(), "threads": args.threads,
              "precision": args.precision, "rounds": args.rounds, "input-size": args.size, "rows": rows}
    print(json.dumps(result)) if args.json else print_table(result)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archs", nargs="+", default=["resnet18", "resnet50"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--peers", nargs="*", default=PEERS, choices=PEERS)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--size", type=int, default=224, help="of the square input, in pixels")
    parser.add_argument("--rounds", type=int, default=7, help="5 or more")
    parser.add_argument("--seconds", type=float, default=1.0, help="that an engine runs in each round")
    parser.add_argument("--engine-bench", help="the program built from engine_bench.cpp")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    for name in ("--worker", "--weights", "--onnx", "--arch"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    worker(args) if args.worker else referee(args)


if __name__ == "__main__":
    main()
