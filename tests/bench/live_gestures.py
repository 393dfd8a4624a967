#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How fast a model learns from a real camera's pictures: the training frames of gestures.tar.gz as a labelled stream,
the classes taking turns of 2 s, from the CIFAR ResNet-20; each generation is judged on all of its test pictures.

The archive has no order in time, so this says how fast, not how well over time: live_clips.py does that. Draws accuracy
over time into an SVG; exit status 0 only if it is at least 0.85 once each class has had 12 training samples, and 0.95
within 30 s of the last class's first label."""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tarfile
import tempfile

import recording
from recording import Gst

RATE, TURN_S = 25, 2
WANTED_SOON, WANTED_LATER, LATER_S, EACH = 0.85, 0.95, 30, 12
WIDTH, HEIGHT = 640, 260


def turns(folder, seed):
    """The classes' frames in turns: the JPEGs, and what is seen when."""
    files = {path.name: sorted(path.iterdir()) for path in sorted((folder / "train").iterdir())}
    draw = random.Random(seed)
    for paths in files.values():
        draw.shuffle(paths)
    jpegs, spans = [], []
    while any(files.values()):
        for label, paths in files.items():
            turn, files[label] = paths[:RATE * TURN_S], paths[RATE * TURN_S:]
            if turn:
                spans.append((len(jpegs) / RATE, (len(jpegs) + len(turn)) / RATE, label, "learn"))
                jpegs += [path.read_bytes() for path in turn]
    return jpegs, spans


def draw_svg(points, marks, end):
    """`points`: (seconds, accuracy), each holds until the next."""
    def x(seconds):
        return 45 + seconds / end * (WIDTH - 60)

    def y(share):
        return 15 + (1 - share) * (HEIGHT - 45)

    parts = []
    for share in (0, 0.25, 0.5, 0.75, 0.85, 0.95, 1):
        parts.append(f'<line x1="45" x2="{WIDTH - 15}" y1="{y(share):.1f}" y2="{y(share):.1f}" stroke="#ddd"/>'
                     f'<text x="40" y="{y(share) + 4:.1f}" text-anchor="end">{share:g}</text>')
    for seconds in range(0, int(end) + 1, 5):
        parts.append(f'<text x="{x(seconds):.1f}" y="{HEIGHT - 14}" text-anchor="middle">{seconds}</text>')
    for seconds, text in marks:
        parts.append(f'<line x1="{x(seconds):.1f}" x2="{x(seconds):.1f}" y1="15" y2="{HEIGHT - 30}" stroke="#888" '
                     f'stroke-dasharray="3"/><text x="{x(seconds) + 3:.1f}" y="{HEIGHT - 36}">{text}</text>')
    corners = [f"{x(0):.1f},{y(0):.1f}"]
    for (seconds, share), (until, _) in zip(points, [*points[1:], (end, 0)]):
        corners += [f"{x(seconds):.1f},{y(share):.1f}", f"{x(until):.1f},{y(share):.1f}"]
    parts.append(f'<polyline points="{" ".join(corners)}" fill="none" stroke="#06c" stroke-width="2"/>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
            f'font-size="11"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}'
            f'<text x="{WIDTH / 2}" y="{HEIGHT - 2}" text-anchor="middle">seconds of the stream; accuracy on the test '
            "pictures</text></svg>\n")


def at(points, seconds):
    """What holds at that time."""
    return next((share for time, share in reversed(points) if time <= seconds), 0.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ft-tool", required=True)
    parser.add_argument("--archive", required=True, type=pathlib.Path, help="gestures.tar.gz")
    parser.add_argument("--model", required=True, help="a CIFAR net")
    parser.add_argument("--svg", type=pathlib.Path, help="draws accuracy over time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    chosen, options = parser.parse_known_args()
    Gst.init(None)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with tarfile.open(chosen.archive) as archive:
            archive.extractall(folder)
        data = next(path.parent for path in folder.rglob("train"))
        base = folder / "base.safetensors"
        subprocess.run([chosen.ft_tool, "convert", chosen.model, base, "--input-size", "48x32", "--resize-mode", "stretch"],
                       check=True, stdout=subprocess.DEVNULL)
        jpegs, spans = turns(data, chosen.seed)
        recording.write(folder / "stream.mkv", jpegs, RATE)
        recording.write_labels(folder / "labels.csv", spans)
        answer = recording.learn(chosen.ft_tool, folder / "stream.mkv", folder / "labels.csv", "--model-file", base, "--eval",
                                 data / "test", "--eval-interval", "0.1", "--sample-interval", "1", *options)
    points = [(entry["running-time"] / 1e9, entry["accuracy"]) for entry in answer["eval"]]
    last_first = max({label: start for start, _, label, _ in reversed(spans)}.values())
    soon, later = last_first + (EACH + 1) / RATE, last_first + LATER_S
    result = {"soon": at(points, soon), "later": at(points, later), "end": points[-1][1],
              "last-class-at": last_first, "generations": len(answer["generations"]), "runs": answer["runs"],
              "seconds": len(jpegs) / RATE}
    if chosen.svg:
        marks = [(soon, f"{EACH} samples each"), (later, f"{LATER_S} s later")]
        chosen.svg.write_text(draw_svg(points, [mark for mark in marks if mark[0] <= len(jpegs) / RATE], len(jpegs) / RATE))
    if chosen.json:
        print(json.dumps(result))
    else:
        print(f"{result['soon']:.3f} once each class has had {EACH} samples, {result['later']:.3f} {LATER_S} s after the last "
              f"class's first label, {result['end']:.3f} at the end of {result['seconds']:.1f} s; {result['generations']} "
              f"generations, {result['runs']} runs")
    sys.exit(0 if result["soon"] >= WANTED_SOON and result["later"] >= WANTED_LATER else 1)


if __name__ == "__main__":
    main()
