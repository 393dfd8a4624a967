#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the elements on a GPU with the GStreamer that bundle.sh --with-gstreamer packed beside this, and resnetfinetune with
# Python's torch. Called by run.sh.
#   gstreamer.sh              all but cudaupload
#   gstreamer.sh cudaupload   frames that it puts into the GPU's memory; 77 where the driver lacks what it needs
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
programs=$here
. "$here/library_path.sh"
# usage: gst PROGRAM ARGUMENT...
gst() {
  local program=$1
  shift
  LD_LIBRARY_PATH=$here/gst/lib:$RESNETFT_LIBRARIES "$here/gst/bin/$program" "$@"
}
cat >"$work/fonts.conf" <<END
<fontconfig><dir>$here/gst/fonts</dir><cachedir>$work</cachedir></fontconfig>
END
export FONTCONFIG_FILE=$work/fonts.conf
export GST_PLUGIN_PATH=$here/gst/plugins GST_PLUGIN_SYSTEM_PATH=$work GST_REGISTRY=$work/registry.bin GST_REGISTRY_FORK=no

fail() { printf 'gstreamer: error: %s\n' "$1" >&2; exit 1; }

# usage: expect_label LABEL PATTERN CAPS UPLOAD
expect_label() {
  gst gst-launch-1.0 -m -v videotestsrc num-buffers=5 pattern="$2" ! "video/x-raw,$3" ! $4 \
    resnetclassify name=classify device=cuda model-file="$here/gst/color.safetensors" post-messages=always ! fakesink \
    >"$work/said" 2>&1 || { cat "$work/said"; fail "the pipeline failed: $2, $3"; }
  [ "$(grep -c "event=(string)classification.*label=(string)$1" "$work/said")" = 5 ] ||
    { cat "$work/said"; fail "$2 is not always called $1: $3, ${4:-no upload}"; }
  [ -z "$4" ] || grep -q 'classify.GstPad:sink: caps = video/x-raw(memory:CUDAMemory)' "$work/said" ||
    fail "the frames did not stay in the GPU's memory"
}

if [ "${1:-}" = cudaupload ]; then
  if ! gst gst-inspect-1.0 --exists cudaupload; then
    for library in libnvcuvid.so.1 libnvidia-encode.so.1; do
      grep -qF "$library" <<<"$(PATH=$PATH:/sbin ldconfig -p)" ||
        { echo "gstreamer: NOT TESTED with cudaupload: the driver brought no $library"; exit 77; }
    done
    fail 'nvcodec has no cudaupload'
  fi
  for format in NV12 I420 RGBA; do
    for color in red green blue; do
      # Without the caps it passes on what it gets, if only the next element takes it.
      expect_label $color $color "format=$format,width=320,height=240" "cudaupload ! video/x-raw(memory:CUDAMemory) !"
    done
  done
  echo 'gstreamer: frames went through cudaupload and resnetclassify'
  exit
fi

tests='*'
if [ -z "$RESNETFT_TORCH" ]; then
  tests='-*Learner*'
  echo 'gstreamer: the learner is NOT TESTED: Python has no torch: python3 -m pip install torch==2.11.0'
fi
gst gpu_element_test --gtest_filter="$tests" | tee "$work/tested"
if grep -q 'NOT TESTED on a GPU' "$work/tested"; then exit 0; fi

for format in NV12 I420 RGBA BGR YUY2; do
  for color in red green blue; do expect_label $color $color "format=$format,width=320,height=240" ""; done
done
