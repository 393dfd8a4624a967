#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the GPU tests and then the benchmark, on a machine with a GPU, glibc 2.36 or newer and NVIDIA's driver for CUDA 13.
# Lies beside what bundle.sh packed; from a checkout: RESNETFT_BUILD=build tests/gpu/run.sh
# A GPU is required unless RESNETFT_REQUIRE_GPU=0. compute-sanitizer is run where it is found.
# Leaves bench.json and bench.txt in the folder RESULTS (default: the current one).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ -n "${RESNETFT_BUILD:-}" ]; then here=$(cd "$RESNETFT_BUILD/tests/gpu" && pwd); fi
results=${RESULTS:-.}
export RESNETFT_REQUIRE_GPU=${RESNETFT_REQUIRE_GPU:-1}
export LD_LIBRARY_PATH=$here${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

"$here/gpu_test"

sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null || true)
if [ -n "$sanitizer" ]; then
  for tool in memcheck racecheck initcheck; do
    echo "run: compute-sanitizer --tool $tool"
    "$sanitizer" --tool "$tool" --error-exitcode 1 "$here/gpu_test" \
      --gtest_filter='Gpu.OneStream*:Gpu.Mixes*:Gpu.Stores*'
  done
else
  echo "run: NOT CHECKED by compute-sanitizer: there is none"
fi

if [ "$RESNETFT_REQUIRE_GPU" = 1 ] || "$here/gpu_bench" >/dev/null 2>&1; then
  "$here/gpu_bench" | tee "$results/bench.txt"
  "$here/gpu_bench" --json >"$results/bench.json"
  cat "$results/bench.json"
else
  echo "run: NOT MEASURED: there is no GPU"
fi
