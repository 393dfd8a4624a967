#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a model learns from real video: the clips of Debian's opencv-doc, a class each, cut together. First the first
third of each clip with its label, in turns of 2 s; then the rest of each, which the learner is not told about and is
judged on."""
import argparse
import gzip
import json
import pathlib
import tempfile

import recording
from recording import Gst

DOC = pathlib.Path("/usr/share/doc/opencv-doc")
CLIPS = {"street": "vtest.avi", "tree": "tree.avi", "megamind": "Megamind.avi", "box": "box.mp4.gz", "cup": "cup.mp4.gz"}
RATE, TURN_S, WIDTH, HEIGHT = 10, 2, 320, 240


def clip_frames(name, folder):
    """The frames of a clip of opencv-doc, wherever its version has it."""
    path = next(DOC.rglob(name))
    if path.suffix == ".gz":
        unpacked = folder / path.stem
        unpacked.write_bytes(gzip.decompress(path.read_bytes()))
        path = unpacked
    return recording.frames_of(path, WIDTH, HEIGHT, RATE)


def cut_together(clips):
    jpegs, spans = [], []

    def add(label, frames, use):
        spans.append((len(jpegs) / RATE, (len(jpegs) + len(frames)) / RATE, label, use))
        jpegs.extend(frames)

    thirds = {label: frames[:len(frames) // 3] for label, frames in clips.items()}
    while any(thirds.values()):
        for label, frames in thirds.items():
            if frames:
                add(label, frames[:RATE * TURN_S], "learn")
            thirds[label] = frames[RATE * TURN_S:]
    for label, frames in clips.items():
        add(label, frames[len(frames) // 3:], "judge")
    return jpegs, spans


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ft-tool", required=True)
    parser.add_argument("--model", required=True, help="a CIFAR net")
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for the recording and its labels")
    parser.add_argument("--json", action="store_true")
    chosen, options = parser.parse_known_args()
    Gst.init(None)
    with tempfile.TemporaryDirectory() as name:
        folder = chosen.keep or pathlib.Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        jpegs, spans = cut_together({label: clip_frames(clip, pathlib.Path(name)) for label, clip in CLIPS.items()})
        recording.write(folder / "clips.mkv", jpegs, RATE)
        recording.write_labels(folder / "clips.csv", spans)
        answer = recording.learn(chosen.ft_tool, folder / "clips.mkv", folder / "clips.csv", "--model-file", chosen.model,
                                 "--sample-interval", "1", *options)
    if chosen.json:
        print(json.dumps(answer))
        return
    judged = answer["judged"]
    print(f"{judged['correct']} of {judged['pictures']} frames right, {judged['accuracy']:.3f}; learned from "
          f"{answer['samples']['train']} samples, generation {answer['generation']}, {answer['runs']} runs")
    for entry in judged["classes"]:
        print(f"  {entry['label']}: {entry['correct']} of {entry['pictures']}")


if __name__ == "__main__":
    main()
