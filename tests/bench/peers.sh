#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Compares resnetft's CPU engine with eager PyTorch, ONNX Runtime and OpenVINO: tests/bench/peers.sh [--json] ...
# (peers.py --help lists the options). The first run makes a virtual environment beside this script (6 GB).
# BUILD names the build folder, build by default.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$here/../../build}
venv=$here/.venv

if ! [ -e "$venv/ready" ]; then
  echo "peers: installing torch, torchvision, onnx, onnxruntime and openvino into $venv" >&2
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet torch torchvision onnx onnxruntime openvino safetensors numpy >&2 || {
    echo "peers: the installation failed; check the network and pip's settings, then run this script again" >&2
    exit 1
  }
  touch "$venv/ready"
fi
meson compile -C "$build" engine_bench >&2
exec "$venv/bin/python" "$here/peers.py" --engine-bench "$build/tests/bench/engine_bench" "$@"
