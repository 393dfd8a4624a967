#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Compares training with the same loop in Python PyTorch, decoding included, and prints the ratio of images/s:
#   tests/bench/train.sh CIFAR_FOLDER PHOTO_FOLDER [EPOCHS]
# Each folder holds a folder for each class. BUILD names the build folder (build), PYTHON a Python with torch and
# torchvision. Ours runs first, then Python, once each; the best epoch of each counts.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$here/../../build}
python=${PYTHON:-python3}
[ $# -ge 2 ] || { sed -n '3,6p' "$0" | cut -c3- >&2; exit 2; }
epochs=${3:-3}

meson compile -C "$build" train_bench >&2
for batch in 128 32; do
  echo "head on 10,000 features, batch $batch, 100 epochs: $("$build/tests/bench/train_bench" head $batch)"
done
compare() {  # NAME ARCH SIZE BATCH FOLDER
  local ours theirs
  ours=$("$build/tests/bench/train_bench" "$2" "$3" "$4" "$epochs" "$5")
  theirs=$("$python" "$here/train_bench.py" "$2" "$3" "$4" "$epochs" "$5")
  "$python" -c '
import json, sys
ours, theirs = json.loads(sys.argv[2]), json.loads(sys.argv[3])
a, b = max(ours["images-per-second"]), max(theirs["images-per-second"])
print(f"{sys.argv[1]}: {a:.1f} images/s, Python {b:.1f}, ratio {a / b:.2f}; megabytes after each epoch:",
      ours["megabytes"])' "$1" "$ours" "$theirs"
}
compare "CIFAR ResNet-20, batch 128" resnet20 32 128 "$1"
compare "ResNet-18 at 224, batch 32" resnet18 224 32 "$2"
