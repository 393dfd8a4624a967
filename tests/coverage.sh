#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Line and branch coverage of lib and plugin: tests/coverage.sh [SUITE...] (unit and element by default)
# Builds in build-coverage, without what others than these suites need, and runs the suites. Needs Debian's gcovr.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=build-coverage
command -v gcovr > /dev/null || { echo "coverage: there is no gcovr; install it: apt-get install gcovr" >&2; exit 1; }

tools/setup.sh
[ -e "$folder/build.ninja" ] ||
  meson setup "$folder" -Db_coverage=true -Doptimization=1 -Dcuda=disabled -Dbench=disabled -Dfuzz=disabled
meson compile -C "$folder"
find "$folder" -name '*.gcda' -delete
suites=()
[ $# != 0 ] || set -- unit element
for suite in "$@"; do suites+=(--suite "$suite"); done
meson test -C "$folder" --no-rebuild --timeout-multiplier 4 "${suites[@]}" || echo "coverage: some tests failed" >&2
gcovr --root . --object-directory "$folder" --filter lib/ --filter plugin/ --sort-uncovered --print-summary
