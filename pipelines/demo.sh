#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A model learns new things while the video plays: sets up and builds, plays generated scenes of things that it does not
# know, first with labels and then without, and says how well it names them. demo/main.py does the playing.
set -euo pipefail

usage() {
  cat <<'USAGE'
usage: pipelines/demo.sh [--out DIR] [--seed N] [--model FILE] [--build-dir DIR] [--show]
       pipelines/demo.sh --input FILE --labels FILE [...]
       pipelines/demo.sh --camera [SOURCE] [--names A,B,C] [...]
  --out DIR        where annotated.mkv, model.safetensors and report.html go (default: demo-out)
  --seed N         other scenes
  --model FILE     the model to begin with (default: pipelines/models/cifar10-resnet32.safetensors)
  --build-dir DIR  take what is built there, and neither set up nor build
  --show           in a window, too
  --input FILE     a recording of your own; --labels says what it shows when, a line each:
                   from-seconds,to-seconds,label[,use], where use is learn (the default) or judge
  --camera SOURCE  a camera (default: v4l2src) or another source; the keys 1 to 9 hold a label while it is seen, 0 or
                   the same key again ends it, q ends all; --names has the labels (default: one,two,three)
Without --input and --camera it takes a minute, and the exit status is 0 only if the accuracy on the scenes without
labels is at least 0.95, and at least 0.3 above what the model said before it learned.
USAGE
}
fail() { printf 'demo: error: %s\n' "$1" >&2; [ $# -lt 2 ] || printf 'demo: %s\n' "$2" >&2; exit 1; }

root=$(cd "$(dirname "$0")/.." && pwd)
model=$root/pipelines/models/cifar10-resnet32.safetensors build='' others=()
while [ $# -gt 0 ]; do
  case $1 in
    --model | --build-dir)
      [ $# -ge 2 ] || { usage >&2; fail "$1 needs a value"; }
      case $1 in --model) model=$2 ;; --build-dir) build=$2 ;; esac
      shift 2 ;;
    --help | -h) usage; exit 0 ;;
    *) others+=("$1"); shift ;;
  esac
done
[ -f "$model" ] || fail "there is no model '$model'" "name a weight file with --model"

if [ -z "$build" ]; then
  build=$root/build
  "$root/tools/setup.sh"
  [ -e "$build/build.ninja" ] || meson setup "$build" "$root"
  meson compile -C "$build"
fi
[ -f "$build/plugin/libgstresnetft.so" ] || fail "there is no plugin in '$build/plugin'" "build first: meson compile -C '$build'"
export GST_PLUGIN_PATH=$build/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
gst-inspect-1.0 resnetfinetune >/dev/null 2>&1 || fail "GStreamer does not find resnetfinetune in '$build/plugin'" \
  "see what it says: GST_DEBUG=3 gst-inspect-1.0 '$build/plugin/libgstresnetft.so'"

# Debian's own Python: it has gi, and another that comes first in PATH may not.
exec /usr/bin/python3 "$root/pipelines/demo/main.py" --model "$model" ${others[@]+"${others[@]}"}
