#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the GPU tests, the benchmarks and compute-sanitizer, on a machine with a GPU, glibc 2.36 or newer and NVIDIA's
# driver for CUDA 13. Lies beside what bundle.sh packed; from a checkout: RESNETFT_BUILD=build tests/gpu/run.sh
# The engine needs cuDNN 9, which is looked for where the loader does and in Python's packages; training needs Python's
# torch of the release that the programs were built with. compute-sanitizer is run where it is found.
# A GPU, and what the tests need, are required unless RESNETFT_REQUIRE_GPU=0. What fails does not keep the rest from
# being run: the last lines say what failed.
# RESNETFT_SECONDS is how long all of it may take (default: 0, as long as it takes): then what runs is stopped, and what
# is left is not run, which is a failure. For a command of ten minutes at most: RESNETFT_SECONDS=540.
# Leaves a log of each part, bench.json and bench.txt in the folder RESULTS (default: the current one).
#   run.sh [PART...]   the parts are tests, training, elements, bench, sanitizer; without one, all of them
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
programs=$here
if [ -n "${RESNETFT_BUILD:-}" ]; then programs=$(cd "$RESNETFT_BUILD/tests/gpu" && pwd); fi
export RESNETFT_REQUIRE_GPU=${RESNETFT_REQUIRE_GPU:-1} RESULTS=${RESULTS:-.}
budget=${RESNETFT_SECONDS:-0}

wrong() { echo "run: error: $1" >&2; exit 2; }
[[ $budget =~ ^[0-9]+$ ]] || wrong "RESNETFT_SECONDS is '$budget', not a number of seconds"
for wanted in "$@"; do
  case $wanted in
    tests | training | elements | bench | sanitizer) ;;
    -h | --help) sed -n '3,/^[^#]/s/^# \?//p' "$0"; exit 0 ;;
    *) wrong "there is no part '$wanted': tests, training, elements, bench, sanitizer" ;;
  esac
done
wanted=" $* "
wants() { [ "$wanted" = '  ' ] || [[ $wanted == *" $1 "* ]]; }

mkdir -p "$RESULTS"
. "$here/library_path.sh"
ours=(env "LD_LIBRARY_PATH=$RESNETFT_LIBRARIES")
failed=() untested=()

# usage: part NAME SECONDS COMMAND...   what hangs fails; 77: it cannot be tested here, and has said why
part() {
  local name=$1 seconds=$2 begin=$SECONDS code=0
  shift 2
  if [ "$budget" -gt 0 ] && [ $((budget - SECONDS)) -lt "$seconds" ]; then seconds=$((budget - SECONDS)); fi
  if [ "$seconds" -le 0 ]; then
    echo "run: $name NOT RUN: no time left"
    failed+=("$name NOT RUN: no time left")
    return
  fi
  echo "run: $name"
  timeout -k 5 "$seconds" "$@" 2>&1 | tee "$RESULTS/${name// /-}.log" || code=$?
  case $code in
    0) ;;
    77) untested+=("$name") ;;
    124 | 137) failed+=("$name, stopped after $seconds s") ;;
    *) failed+=("$name") ;;
  esac
  echo "run: $name took $((SECONDS - begin)) s"
}
# usage: suites NAME PROGRAM [BUT]   each in a process of its own: after some errors CUDA refuses all that follows
suites() {
  local name=$1 program=$2 but=${3:-} suite list
  list=$("${ours[@]}" "$program" --gtest_list_tests 2>/dev/null | sed -n 's/\.$//p') || list=
  [ -n "$list" ] || part "$name" 60 "${ours[@]}" "$program"  # says why it does not start
  for suite in $list; do
    part "$name $suite" 900 "${ours[@]}" "$program" --gtest_filter="$suite.*${but:+-$but}"
  done
}
# usage: lacking TEXT   what cannot be tested, and why
lacking() {
  echo "run: $1"
  [ "$RESNETFT_REQUIRE_GPU" != 1 ] || failed+=("$1")
}
finish() {
  [ ${#untested[@]} -eq 0 ] || printf 'run: NOT TESTED: %s\n' "${untested[@]}"
  [ ${#failed[@]} -gt 0 ] || exit 0
  printf 'run: FAILED: %s\n' "${failed[@]}"
  exit 1
}

if [ -z "$RESNETFT_CUDNN" ] && ! grep -q 'libcudnn\.so\.9' <<<"$(PATH=$PATH:/sbin ldconfig -p 2>/dev/null)"; then
  echo "run: cuDNN was not found, without which the engine's tests do not run: python3 -m pip install nvidia-cudnn-cu13"
fi

has_gpu=1
RESNETFT_REQUIRE_GPU=1 timeout -k 5 60 "${ours[@]}" "$programs/gpu_test" \
  --gtest_filter=Gpu.AGpuThatIsNotThereIsUnavailable >"$RESULTS/gpu.log" 2>&1 || has_gpu=
if [ -z "$has_gpu" ] && [ "$RESNETFT_REQUIRE_GPU" = 1 ]; then
  cat "$RESULTS/gpu.log"
  failed=('there is no GPU that can be used, which is required')
  finish
fi

if wants tests; then
  first='GpuEngine.InFp16*'  # shows soonest whether the engine is right
  part 'tests first' 300 "${ours[@]}" "$programs/gpu_test" --gtest_filter="$first"
  suites tests "$programs/gpu_test" "$first"
fi

if ! wants training; then
  :
elif [ -n "$RESNETFT_TORCH" ] || [ -n "${RESNETFT_BUILD:-}" ]; then
  suites training "$programs/gpu_training_test"
else
  lacking 'training is NOT TESTED: Python has no torch: python3 -m pip install torch==2.11.0'
fi

if ! wants elements; then
  :
elif [ -d "$here/gst" ]; then
  part elements 900 "$here/gstreamer.sh"
  [ -z "$has_gpu" ] || part 'elements cudaupload' 300 "$here/gstreamer.sh" cudaupload
else
  echo 'run: the elements are NOT TESTED: this bundle has no GStreamer (bundle.sh --with-gstreamer)'
fi

if [ -z "$has_gpu" ]; then
  echo 'run: NOT MEASURED, and NOT CHECKED by compute-sanitizer: there is no GPU'
  finish
fi
if wants bench; then part bench 3600 "$here/bench.sh"; fi
wants sanitizer || finish

sanitizer=$(command -v compute-sanitizer ||
            ls /usr/local/cuda/bin/compute-sanitizer "${RESNETFT_CUDNN%/cudnn/lib}/cu13/bin/compute-sanitizer" 2>/dev/null | head -n 1 || true)
kernels='Gpu.OneStream*:Gpu.Mixes*:Gpu.Stores*'
# usage: sanitize TOOL TESTS [OPTION...]
sanitize() {
  local tool=$1 tests=$2
  shift 2
  part "sanitizer $tool" 900 "${ours[@]}" "$sanitizer" --tool "$tool" "$@" --error-exitcode 1 \
    "$programs/gpu_test" --gtest_filter="$tests"
}
if [ -n "$sanitizer" ]; then
  # Calls that fail are our own code's to see: libraries make some to find out what there is. cuDNN's kernels are not ours
  # to judge, save for the memory that we give them, and are so slow there that the smallest net must do.
  sanitize memcheck "$kernels:GpuEngine.SmallestNet*" --report-api-errors no
  sanitize racecheck "$kernels:GpuEngine.SmallestNet*:GpuFrames.FourThreads*" --kernel-name kns=resnetft
  sanitize initcheck "$kernels"
else
  echo 'run: NOT CHECKED by compute-sanitizer: there is none: python3 -m pip install nvidia-cuda-sanitizer-api'
fi
finish
