#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Classifies a clip with the CIFAR ResNet-20: prints the timeline of labels and writes the annotated video.
set -euo pipefail

usage() {
  cat <<USAGE
usage: pipelines/demo.sh [--model FILE] [--out FILE] [--build-dir DIR] [CLIP]
  CLIP             a video; without it OpenCV's vtest.avi (Debian package opencv-doc)
  --model FILE     weights; without it weights/resnet20-12fca82f.th in RESNETFT_DATA (default ../shared/data)
  --out FILE       where the annotated video goes (default: annotated.mkv)
  --build-dir DIR  take what is built there, and neither set up nor build
USAGE
}
fail() { printf 'demo: error: %s\n' "$1" >&2; [ $# -lt 2 ] || printf 'demo: %s\n' "$2" >&2; exit 1; }

root=$(cd "$(dirname "$0")/.." && pwd)
clip='' model='' out=annotated.mkv build=''
while [ $# -gt 0 ]; do
  case $1 in
    --model | --out | --build-dir)
      [ $# -ge 2 ] || { usage >&2; fail "$1 needs a value"; }
      case $1 in --model) model=$2 ;; --out) out=$2 ;; --build-dir) build=$2 ;; esac
      shift 2 ;;
    --help | -h) usage; exit 0 ;;
    -*) usage >&2; fail "unknown option '$1'" ;;
    *) [ -z "$clip" ] || { usage >&2; fail "one clip at a time, not '$clip' and '$1'"; }
       clip=$1; shift ;;
  esac
done

clip=${clip:-/usr/share/doc/opencv-doc/examples/data/vtest.avi}
model=${model:-${RESNETFT_DATA:-$root/../shared/data}/weights/resnet20-12fca82f.th}
[ -f "$model" ] || fail "there is no model '$model'" \
  "name a weight file with --model, or the folder that holds weights/resnet20-12fca82f.th with RESNETFT_DATA"
[ -d "$(dirname "$out")" ] || fail "there is no folder for '$out'" "name another file with --out"

if [ -z "$build" ]; then
  build=$root/build
  "$root/tools/setup.sh"
  [ -e "$build/build.ninja" ] || meson setup "$build" "$root"
  meson compile -C "$build"
fi
[ -f "$build/plugin/libgstresnetft.so" ] || fail "there is no plugin in '$build/plugin'" "build first: meson compile -C '$build'"
# The default clip comes with the packages that setup.sh installs.
[ -f "$clip" ] || fail "there is no clip '$clip'" "name a video that is there"

export GST_PLUGIN_PATH=$build/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
gst-inspect-1.0 resnetclassify >/dev/null 2>&1 || fail "GStreamer does not find resnetclassify in '$build/plugin'" \
  "see what it says: GST_DEBUG=3 gst-inspect-1.0 '$build/plugin/libgstresnetft.so'"

# From "... running-time=(guint64)NS, ... label=(string)NAME, ... confidence=(double)C ..." to a line of the timeline.
timeline() {
  sed -nE 's/.*event=\(string\)label-changed.* running-time=\(guint64\)([0-9]+),.* label=\(string\)("[^"]*"|[^,]*),.* confidence=\(double\)([0-9.e+-]+),.*/\1\t\2\t\3/p' |
    LC_ALL=C awk -F '\t' '{ s = $1 / 1e9; printf "%3d:%06.3f  %-20s %3.0f %%\n", s / 60, s % 60, $2, 100 * $3 }'
}

echo "demo: $clip with $model"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
gst-launch-1.0 -m filesrc location="$clip" ! decodebin ! videoconvert ! \
  resnetclassify model-file="$model" overlay=true skip-late=false smoothing=majority min-dwell=500000000 ! \
  videoconvert ! jpegenc ! matroskamux ! filesink location="$out" 2>"$log" | timeline ||
  fail "the pipeline ended with: $(grep -m 1 '^ERROR' "$log" || tail -n 1 "$log")" "the line above says what to mend"
echo "demo: the annotated video is $out"
