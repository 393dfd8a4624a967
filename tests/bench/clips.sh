#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Twenty photos of each of four classes are cut from the clips of Debian's opencv-doc, a net is fine-tuned on them, and
# judged on later parts of the clips. Prints top-1 and the seconds of each way to train:
#   tests/bench/clips.sh [MODEL]
# MODEL: a CIFAR net; without, weights/resnet20-12fca82f.th of the folder RESNETFT_DATA. BUILD names the build folder
# (build), CLIPS the package's folder (/usr/share/doc/opencv-doc), THREADS how many compute (2).
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
tool=${BUILD:-$root/build}/tools/ft-tool
clips=${CLIPS:-/usr/share/doc/opencv-doc}
model=${1:-${RESNETFT_DATA:-$root/../shared/data}/weights/resnet20-12fca82f.th}
threads=${THREADS:-2}
for needed in "$tool" "$model" "$clips/examples/data/vtest.avi"; do
  [ -e "$needed" ] || { echo "clips.sh: there is no $needed" >&2; exit 2; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

gzip -dc "$clips/opencv4/html/box.mp4.gz" > "$work/box.mp4"
gzip -dc "$clips/opencv4/html/cup.mp4.gz" > "$work/cup.mp4"
# LABEL FILE, every Nth frame to so many seconds to learn from, every Nth from so many seconds on to judge by
cut_clip() {
  "$tool" dataset from-video "$2" --label "$1" --every "$3" --to "$4" --output "$work/photos" > /dev/null
  "$tool" dataset from-video "$2" --label "$1" --every "$5" --from "$6" --output "$work/later" > /dev/null
}
cut_clip street "$clips/examples/data/vtest.avi" 20 40 10 45
cut_clip tree "$clips/examples/data/tree.avi" 2 17 1 20
cut_clip box "$work/box.mp4" 11 7.3 7 8.5
cut_clip cup "$work/cup.mp4" 5 3.7 4 4.5
for label in street tree box cup; do
  echo "$label: $(ls "$work/photos/$label" | wc -l) photos to learn from, $(ls "$work/later/$label" | wc -l) to judge by"
done

# NAME OPTION...
TIMEFORMAT='%R %U %S'
try() {
  local name=$1 seconds
  shift
  seconds=$({ time "$tool" train --data "$work/photos" --output "$work/$name" --model-file "$model" --input-size 96x72 \
    --threads "$threads" --workers "$threads" "$@" --json > "$work/$name.json" 2> "$work/$name.log"; } 2>&1) ||
    { cat "$work/$name.log" >&2; exit 1; }
  "$tool" eval --model-file "$work/$name/model.safetensors" --data "$work/later" --threads "$threads" --json |
    python3 -c '
import json, sys
later, (name, real, user, system, words) = json.load(sys.stdin), sys.argv[1:]
top1, images, processor = later["top1"], later["images"], float(user) + float(system)
print(f"{name:12} top-1 {top1:.4f} of {images} later frames; {float(real):.1f} s, {processor:.1f} s of processor: "
      f"ft-tool train {words}")' "$name" $seconds "--input-size 96x72 $*"
}
try auto
try all --trainable all --epochs 10 --lr 0.02
try pixels --trainable all --epochs 10 --lr 0.02 --crop random-resized --scale-min 0.5 --cache none
try fast-decode --trainable all --epochs 10 --lr 0.02 --crop random-resized --scale-min 0.5 --cache none --fast-decode
