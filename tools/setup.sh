#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Brings a Debian 12 or 13 machine to where resnetft builds and runs: Debian packages, then LibTorch and, where the
# distribution's oneDNN is older than 3.2, oneDNN from their wheels. Installs only what is missing; safe to repeat.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

usage() {
  cat <<EOF
usage: tools/setup.sh [--no-packages] [--cuda | --no-cuda] [--help]
  --no-packages  leave Debian packages alone; fetch LibTorch and oneDNN only
  --cuda         fetch what LibTorch's CUDA half needs too (2 GB); inference on CUDA opens cuDNN, which is among it;
                 the default where there is a GPU with NVIDIA's driver, where it goes on without if that fails
  --no-cuda      leave it out there, too
EOF
}
say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: error: %s\n' "$1" >&2; [ $# -lt 2 ] || printf 'setup: %s\n' "$2" >&2; exit 1; }

want_packages=yes
want_cuda=no
if compgen -G '/dev/nvidia[0-9]*' >/dev/null; then want_cuda=found; fi
for argument in "$@"; do
  case $argument in
    --no-packages) want_packages=no ;;
    --cuda) want_cuda=yes ;;
    --no-cuda) want_cuda=no ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; fail "unknown argument '$argument'" ;;
  esac
done

packages=(
  # build
  g++ pkg-config meson ninja-build ccache clang-format git ca-certificates unzip python3 python3-pip
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstreamer-plugins-bad1.0-dev
  libopencv-core-dev libopencv-imgproc-dev libopencv-imgcodecs-dev libjpeg-dev libpng-dev
  libpango1.0-dev libcairo2-dev nlohmann-json3-dev libzip-dev libssl-dev
  # run and test
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav
  libgtest-dev libgmock-dev libbenchmark-dev libgstrtspserver-1.0-dev
  python3-gi python3-gst-1.0 gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0 gir1.2-gst-rtsp-server-1.0 python3-numpy python3-pil
  fonts-dejavu-core opencv-doc
)


# Prints those of the named packages that dpkg does not call installed.
missing_packages() {
  local installed
  installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' 2>/dev/null | sed -n 's/ installed$//p' | sort -u)
  comm -13 <(echo "$installed") <(printf '%s\n' "$@" | sort -u)
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "installing packages needs root" "run this script as root, install sudo, or install by hand: ${missing[*]}"
  fi
}

install_packages() {
  command -v apt-get >/dev/null || fail "this script knows Debian's apt-get only" \
    "install the equivalents of: ${packages[*]}; then run it with --no-packages"
  if dpkg-query -W -f '${db:Status-Status}' libdnnl-dev 2>/dev/null | grep -q '^installed' ||
     { [ -r /etc/os-release ] && . /etc/os-release && [ "${VERSION_ID:-0}" -ge 13 ]; }; then
    packages+=(libdnnl-dev)
  fi
  mapfile -t missing < <(missing_packages "${packages[@]}")
  if [ ${#missing[@]} = 0 ]; then return; fi
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q ||
    fail "apt-get update failed" "check the network and /etc/apt, then run this script again"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" ||
    fail "apt-get install failed" "read apt's message above; after mending it, run this script again"
}

# fetch FILE WHAT: downloads the wheels that FILE names into subprojects/.wheels, checked by their sha256.
fetch() {
  say "downloading $2"
  mkdir -p subprojects/.wheels
  /usr/bin/python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: \
    --python-version 3.11 --implementation cp --abi cp311 --abi none \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_25_x86_64 --platform manylinux_2_18_x86_64 \
    --platform manylinux_2_17_x86_64 --platform manylinux_2_12_x86_64 --platform manylinux2010_x86_64 \
    --platform manylinux2014_x86_64 --platform manylinux1_x86_64 \
    --dest subprojects/.wheels --requirement "$1" ||
    fail "downloading $2 failed" "check the network and pip's settings, then run this script again; or build with -Dlibtorch=PATH and -Donednn=PATH"
}

# unpack_into DIR: what the callback puts into a temporary folder becomes DIR at once, so that no half of it is ever seen.
unpack_into() {
  local target=$1 temporary=subprojects/.unpack.$$
  shift
  rm -rf "$temporary"
  mkdir -p "$temporary"
  "$@" "$temporary" || { rm -rf "$temporary"; fail "unpacking into $target failed" "free some disk space (2 GB), then run this script again"; }
  rm -rf "$target"
  mv "$temporary" "$target"
}

unpack_torch() {
  unzip -q subprojects/.wheels/torch-*.whl 'torch/lib/*' 'torch/include/*' 'torch/version.py' -d "$1" &&
    unzip -q subprojects/.wheels/nvidia_cuda_runtime-*.whl 'nvidia/cu13/lib/libcudart*' -d "$1" &&
    unzip -q subprojects/.wheels/nvidia_cuda_cupti-*.whl 'nvidia/cu13/lib/libcupti*' -d "$1" &&
    rm -f "$1/torch/lib/libtorch_python.so" &&
    sha256sum tools/wheels.txt >"$1/.wheels.sha256"
}

# Beside LibTorch, where its CUDA half looks. The mark is written last: without it all is unpacked again.
unpack_cuda() {
  local wheel
  for wheel in subprojects/.wheels/nvidia_*.whl; do unzip -q -o "$wheel" 'nvidia/*/lib/*' -d subprojects/libtorch || return 1; done
  sha256sum tools/wheels-cuda.txt >subprojects/libtorch/.wheels-cuda.sha256
}

unpack_onednn() {
  local wheel
  for wheel in subprojects/.wheels/onednn_*.whl; do unzip -q -o "$wheel" '*.data/data/*' -d "$1/wheel" || return 1; done
  cp -a "$1"/wheel/*.data/data/. "$1/" && rm -rf "$1/wheel" "$1/lib/libdnnl.so" "$1/lib/libdnnl.so.3" "$1/lib/cmake" &&
    ln -s libdnnl.so.3.2 "$1/lib/libdnnl.so.3" && ln -s libdnnl.so.3 "$1/lib/libdnnl.so" &&
    sha256sum tools/wheels-onednn.txt >"$1/.wheels.sha256"
}

up_to_date() { sha256sum --check --status "$1/.wheels.sha256" 2>/dev/null; }

[ "$(uname -m)" = x86_64 ] || fail "this processor is $(uname -m)" "resnetft builds on x86_64"
[ "$want_packages" = no ] || install_packages

if ! up_to_date subprojects/libtorch; then
  fetch tools/wheels.txt "LibTorch 2.11.0 (530 MB)"
  say "unpacking LibTorch"
  unpack_into subprojects/libtorch unpack_torch
fi

bring_cuda() {
  rm -rf subprojects/.wheels
  fetch tools/wheels-cuda.txt "the libraries of LibTorch's CUDA half (2 GB)"
  say "unpacking them"
  unpack_cuda || fail "unpacking into subprojects/libtorch failed" "free some disk space (5 GB), then run this script again"
}

if [ "$want_cuda" != no ] && ! sha256sum --check --status subprojects/libtorch/.wheels-cuda.sha256 2>/dev/null; then
  # In a shell of its own, which a failure ends.
  (bring_cuda) || [ "$want_cuda" = found ] || exit 1
  [ -e subprojects/libtorch/.wheels-cuda.sha256 ] || say "the GPU can be used for inference only, if cuDNN is found"
fi

if ! pkg-config --exists 'dnnl >= 3.2' 2>/dev/null && ! [ -e /usr/include/oneapi/dnnl/dnnl_version.h ] ||
   grep -qs '#define DNNL_VERSION_MAJOR 2' /usr/include/oneapi/dnnl/dnnl_version.h; then
  if ! up_to_date subprojects/onednn; then
    fetch tools/wheels-onednn.txt "oneDNN 3.2 (39 MB)"
    say "unpacking oneDNN"
    unpack_into subprojects/onednn unpack_onednn
  fi
fi

rm -rf subprojects/.wheels
say "ready: $root"
