#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Measures on a GPU, against Python PyTorch in the same run: preprocessing, inference, training. Lies beside what
# bundle.sh packed; from a checkout: RESNETFT_BUILD=build tests/gpu/bench.sh. Leaves bench.json and bench.txt in the
# folder RESULTS (default: the current one).
#   bench.sh [--only REGEX]   the rows whose names it finds; without it, all of them
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
programs=$here
if [ -n "${RESNETFT_BUILD:-}" ]; then programs=$(cd "$RESNETFT_BUILD/tests/gpu" && pwd); fi
results=${RESULTS:-.}
. "$here/library_path.sh"
mkdir -p "$results"
export TORCHINDUCTOR_AUTOTUNE_NUM_CHOICES_DISPLAYED=0  # else a table for each convolution
python3 "$here/bench.py" --programs "$programs" --json "$results/bench.json" "$@" | tee "$results/bench.txt"
