#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Packs what a bare machine with a GPU and Python's torch needs to run the GPU tests and the benchmarks into one file of at most 16 MB:
#   tests/gpu/bundle.sh [--with-gstreamer] [OUTPUT.tar.gz]      there: tar xzf OUTPUT.tar.gz && resnetft-gpu/run.sh
# --with-gstreamer adds this machine's GStreamer and the elements, and makes it at most 40 MB.
# The build folder is build/, or what RESNETFT_BUILD names.
set -euo pipefail
cd "$(dirname "$0")/../.."

build=${RESNETFT_BUILD:-build}
with_gstreamer=
if [ "${1:-}" = --with-gstreamer ]; then with_gstreamer=1; shift; fi
case ${1:-} in
  --help) sed -n '3,6p' "$0" | cut -c3-; exit ;;
  -*) printf "bundle: error: unknown option '%s'; --help lists what there is\n" "$1" >&2; exit 2 ;;
esac
output=${1:-resnetft-gpu.tar.gz}
most_bytes=$(((with_gstreamer ? 40 : 16) * 1024 * 1024))

fail() { printf 'bundle: error: %s\n' "$1" >&2; exit 1; }

programs=(gpu_test gpu_bench gpu_training_test gpu_training_bench)
for file in "${programs[@]}" libresnetft-cuda.so expected_logits; do
  [ -e "$build/tests/gpu/$file" ] || fail "there is no $build/tests/gpu/$file; build with -Dcuda=enabled first"
done

# What the files given need, but for glibc, which is the machine's, and what lies beside the programs already.
libraries_of() {
  ldd "$@" | awk '$3 ~ /^\// { print $3 }' | sort -u |
    grep -vE '/(ld-linux-x86-64|lib(c|m|dl|rt|pthread|resolv|resnetft|stdc\+\+|gcc_s))\.so'
}

# The elements with a libresnetft that has neither OpenCV nor oneDNN, its module for Python's torch, GStreamer, and what of
# its plugins the tests use.
pack_gstreamer() {
  local gst=$1 file
  local plugins programs elements
  plugins=$(pkg-config --variable=pluginsdir gstreamer-1.0)
  elements=("$build/plugin/libgstresnetft.so" "$plugins"/libgst{coreelements,videotestsrc,nvcodec}.so)
  programs=("$(command -v gst-launch-1.0)" "$(command -v gst-inspect-1.0)" "$build/tests/element/gpu_element_test")
  for file in "${elements[@]}" "${programs[@]}" "$build"/{tests/gpu/libresnetft-small.so,lib/libresnetft-torch.so} "$build/tests/element/color.safetensors"; do
    [ -e "$file" ] || fail "there is no $file; build with -Dgstcuda=enabled first"
  done
  mkdir -p "$gst"/{bin,lib,plugins}
  for file in "${elements[@]}"; do strip -o "$gst/plugins/$(basename "$file")" "$file"; done
  for file in "${programs[@]}"; do strip -o "$gst/bin/$(basename "$file")" "$file"; done
  strip -o "$gst/lib/libresnetft.so.0" "$build/tests/gpu/libresnetft-small.so"
  strip -o "$gst/lib/libresnetft-torch.so" "$build/lib/libresnetft-torch.so"  # modules are looked for beside the library
  ln "$folder/libresnetft-cuda.so" "$gst/lib/"
  cp "$build/tests/element/color.safetensors" "$gst/"
  for file in $(LD_LIBRARY_PATH=$gst/lib libraries_of "$gst"/plugins/* "$gst"/bin/* "$gst"/lib/libresnetft.so.0); do
    cp -L "$file" "$gst/lib/"
  done
  mkdir "$gst/fonts"
  cp "$(fc-match -f '%{file}' 'Sans Bold')" "$gst/fonts/"  # for labels: a bare machine has none
  cp tests/gpu/gstreamer.sh "$folder/"
}

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
folder=$temporary/resnetft-gpu
mkdir "$folder"
for file in "${programs[@]}" libresnetft-cuda.so; do strip -o "$folder/$file" "$build/tests/gpu/$file"; done
cp tests/gpu/{run.sh,bench.sh,library_path.sh,bench.py,cifar_parts.py} "$folder/"
echo 'bundle: writing down the logits of the CPU'
"$build/tests/gpu/expected_logits" >"$folder/expected_logits.txt"
# C++'s runtime comes along: the machine's may be older than the compiler that built this (library_path.sh).
mkdir "$folder/runtime"
for library in libstdc++.so.6 libgcc_s.so.1; do
  cp -L "$(ldd "$build/tests/gpu/gpu_test" | awk -v name="$library" '$1 == name { print $3 }')" "$folder/runtime/"
done
for file in "$folder"/*; do
  # LibTorch's own, among them OpenMP's runtime, come with Python's torch.
  if foreign=$(readelf -d "$file" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
               grep -vE '^(ld-linux-x86-64|lib(c|m|stdc\+\+|gcc_s|gomp|c10|torch_cpu))\.so'); then
    fail "$(basename "$file") needs what a bare machine may lack: $foreign"
  fi
done
[ -z "$with_gstreamer" ] || pack_gstreamer "$folder/gst"
tar -czf "$output" -C "$temporary" resnetft-gpu
bytes=$(stat -c %s "$output")
[ "$bytes" -le "$most_bytes" ] || fail "$output has $bytes bytes, more than $most_bytes"
glibc=$({ find "$folder" -type f -exec readelf -V {} + 2>/dev/null || true; } | grep -o 'GLIBC_2\.[0-9]*' | sort -uV | tail -n 1)
printf 'bundle: %s, %s bytes, for glibc %s or newer\n' "$output" "$bytes" "${glibc#GLIBC_}"
