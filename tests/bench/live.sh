#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What training takes from inference: p99 of resnetclassify without and with a learner at duty-cycle 0.5 beside it, in
# turns, in one run: tests/bench/live.sh [--json] [--frames N] (live.py --help lists the options).
# BUILD names the build folder, build by default.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${BUILD:-$here/../../build}" && pwd)
meson compile -C "$build" >&2
export GST_PLUGIN_PATH=$build/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
exec /usr/bin/python3 "$here/live.py" --ft-tool "$build/tools/ft-tool" "$@"
