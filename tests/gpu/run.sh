#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the GPU tests, the benchmarks and compute-sanitizer, on a machine with a GPU, glibc 2.36 or newer and NVIDIA's
# driver for CUDA 13. Lies beside what bundle.sh packed; from a checkout: RESNETFT_BUILD=build tests/gpu/run.sh
# The engine needs cuDNN 9, which is looked for where the loader does and in Python's packages; training needs Python's
# torch of the release that the programs were built with. compute-sanitizer is run where it is found.
# A GPU, and what the tests need, are required unless RESNETFT_REQUIRE_GPU=0. What fails does not keep the rest from
# being run: the last lines say what failed.
# Leaves bench.json and bench.txt in the folder RESULTS (default: the current one).
#   run.sh [PART...]   the parts are tests, training, elements, bench, sanitizer; without one, all of them
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
programs=$here
if [ -n "${RESNETFT_BUILD:-}" ]; then programs=$(cd "$RESNETFT_BUILD/tests/gpu" && pwd); fi
export RESNETFT_REQUIRE_GPU=${RESNETFT_REQUIRE_GPU:-1}
. "$here/library_path.sh"

for wanted in "$@"; do
  case $wanted in
    tests | training | elements | bench | sanitizer) ;;
    *) echo "run: error: there is no part '$wanted': tests, training, elements, bench, sanitizer" >&2; exit 2 ;;
  esac
done
wanted=" $* "
wants() { [ "$wanted" = '  ' ] || [[ $wanted == *" $1 "* ]]; }

failed=()
# usage: part NAME SECONDS COMMAND...   what hangs fails
part() {
  local name=$1 seconds=$2
  shift 2
  echo "run: $name"
  timeout "$seconds" "$@" || failed+=("$name")
}
# usage: lacking TEXT   what cannot be tested, and why
lacking() {
  echo "run: $1"
  [ "$RESNETFT_REQUIRE_GPU" != 1 ] || failed+=("$1")
}
finish() {
  [ ${#failed[@]} -gt 0 ] || exit 0
  printf 'run: FAILED: %s\n' "${failed[@]}"
  exit 1
}

if [ -z "$cudnn" ] && ! PATH=$PATH:/sbin ldconfig -p 2>/dev/null | grep -q 'libcudnn\.so\.9'; then
  echo "run: cuDNN was not found, without which the engine's tests do not run: python3 -m pip install nvidia-cudnn-cu13"
fi

if wants tests; then part 'GPU tests' 900 "$programs/gpu_test"; fi
has_gpu=1
RESNETFT_REQUIRE_GPU=1 "$programs/gpu_test" --gtest_filter=Gpu.AGpuThatIsNotThereIsUnavailable >/dev/null 2>&1 || has_gpu=
if [ -z "$has_gpu" ] && [ "$RESNETFT_REQUIRE_GPU" = 1 ]; then
  echo 'run: there is no GPU that can be used, which is required: the GPU tests say why'
  [ ${#failed[@]} -gt 0 ] || failed=('there is no GPU')
  finish
fi

if ! wants training; then
  :
elif [ -n "$torch" ] || [ -n "${RESNETFT_BUILD:-}" ]; then
  part 'training tests' 900 "$programs/gpu_training_test"
else
  lacking 'training is NOT TESTED: Python has no torch: python3 -m pip install torch==2.11.0'
fi

if ! wants elements; then
  :
elif [ -d "$here/gst" ]; then
  part 'tests of the elements' 900 "$here/gstreamer.sh"
else
  echo 'run: the elements are NOT TESTED: this bundle has no GStreamer (bundle.sh --with-gstreamer)'
fi

if [ -z "$has_gpu" ]; then
  echo 'run: NOT MEASURED, and NOT CHECKED by compute-sanitizer: there is no GPU'
  finish
fi
if wants bench; then part 'benchmarks' 3600 "$here/bench.sh"; fi
wants sanitizer || finish

sanitizer=$(command -v compute-sanitizer ||
            ls /usr/local/cuda/bin/compute-sanitizer "${cudnn%/cudnn/lib}/cu13/bin/compute-sanitizer" 2>/dev/null | head -n 1 || true)
ours='Gpu.OneStream*:Gpu.Mixes*:Gpu.Stores*'
# usage: sanitize TOOL TESTS [OPTION...]
sanitize() {
  local tool=$1 tests=$2
  shift 2
  part "compute-sanitizer --tool $tool" 900 "$sanitizer" --tool "$tool" "$@" --error-exitcode 1 \
    "$programs/gpu_test" --gtest_filter="$tests"
}
if [ -n "$sanitizer" ]; then
  # Calls that fail are our own code's to see: libraries make some to find out what there is. cuDNN's kernels are not ours
  # to judge, save for the memory that we give them.
  sanitize memcheck "$ours:GpuEngine.FourSessions*:GpuFrames.FourThreads*" --report-api-errors no
  sanitize racecheck "$ours:GpuEngine.FourSessions*:GpuFrames.FourThreads*" --kernel-name kns=resnetft
  sanitize initcheck "$ours"
else
  echo 'run: NOT CHECKED by compute-sanitizer: there is none: python3 -m pip install nvidia-cuda-sanitizer-api'
fi
finish
