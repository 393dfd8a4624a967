#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the GPU tests and then the benchmarks, on a machine with a GPU, glibc 2.36 or newer and NVIDIA's driver for CUDA 13.
# Lies beside what bundle.sh packed; from a checkout: RESNETFT_BUILD=build tests/gpu/run.sh
# The engine needs cuDNN 9, which is looked for where the loader does and in Python's packages; training needs Python's
# torch of the release that the programs were built with.
# A GPU is required unless RESNETFT_REQUIRE_GPU=0. compute-sanitizer is run where it is found.
# Leaves bench.json and bench.txt in the folder RESULTS (default: the current one).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
programs=$here
if [ -n "${RESNETFT_BUILD:-}" ]; then programs=$(cd "$RESNETFT_BUILD/tests/gpu" && pwd); fi
export RESNETFT_REQUIRE_GPU=${RESNETFT_REQUIRE_GPU:-1}
. "$here/library_path.sh"

if [ -z "$cudnn" ] && ! ldconfig -p 2>/dev/null | grep -q 'libcudnn\.so\.9'; then
  echo "run: cuDNN was not found, without which the engine's tests do not run: python3 -m pip install nvidia-cudnn-cu13"
fi

"$programs/gpu_test"
if [ -n "$torch" ] || [ -n "${RESNETFT_BUILD:-}" ]; then
  "$programs/gpu_training_test"
else
  echo "run: training is NOT TESTED: Python has no torch: python3 -m pip install torch==2.11.0"
  [ "$RESNETFT_REQUIRE_GPU" != 1 ] || exit 1
fi

if [ -d "$here/gst" ]; then
  "$here/gstreamer.sh"
else
  echo "run: the elements are NOT TESTED: this bundle has no GStreamer (bundle.sh --with-gstreamer)"
fi

sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null || true)
if [ -n "$sanitizer" ]; then
  for tool in memcheck racecheck initcheck; do
    echo "run: compute-sanitizer --tool $tool"
    "$sanitizer" --tool "$tool" --error-exitcode 1 "$programs/gpu_test" \
      --gtest_filter='Gpu.OneStream*:Gpu.Mixes*:Gpu.Stores*:GpuEngine.FourSessions*:GpuFrames.FourThreads*'
  done
else
  echo "run: NOT CHECKED by compute-sanitizer: there is none"
fi

if [ "$RESNETFT_REQUIRE_GPU" = 1 ] || "$programs/gpu_bench" >/dev/null 2>&1; then
  "$here/bench.sh"
else
  echo "run: NOT MEASURED: there is no GPU"
fi
