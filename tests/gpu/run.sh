#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the GPU tests and then the benchmark, on a machine with a GPU, glibc 2.36 or newer and NVIDIA's driver for CUDA 13.
# Lies beside what bundle.sh packed; from a checkout: RESNETFT_BUILD=build tests/gpu/run.sh
# The engine needs cuDNN 9, which is looked for where the loader does and in Python's packages.
# A GPU is required unless RESNETFT_REQUIRE_GPU=0. compute-sanitizer is run where it is found.
# Leaves bench.json and bench.txt in the folder RESULTS (default: the current one).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ -n "${RESNETFT_BUILD:-}" ]; then here=$(cd "$RESNETFT_BUILD/tests/gpu" && pwd); fi
results=${RESULTS:-.}
export RESNETFT_REQUIRE_GPU=${RESNETFT_REQUIRE_GPU:-1}
cudnn=$(python3 -c 'import nvidia.cudnn as package; print(package.__path__[0] + "/lib")' 2>/dev/null || true)
export LD_LIBRARY_PATH=$here${cudnn:+:$cudnn}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

if [ -z "$cudnn" ] && ! ldconfig -p 2>/dev/null | grep -q 'libcudnn\.so\.9'; then
  echo "run: cuDNN was not found, without which the engine's tests do not run: python3 -m pip install nvidia-cudnn-cu13"
fi

"$here/gpu_test"

sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null || true)
if [ -n "$sanitizer" ]; then
  for tool in memcheck racecheck initcheck; do
    echo "run: compute-sanitizer --tool $tool"
    "$sanitizer" --tool "$tool" --error-exitcode 1 "$here/gpu_test" \
      --gtest_filter='Gpu.OneStream*:Gpu.Mixes*:Gpu.Stores*:GpuEngine.FourSessions*'
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
