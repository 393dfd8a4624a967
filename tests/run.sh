#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Sets up, builds and runs the tests, all but the suite `long`. Arguments narrow the suites: tests/run.sh unit
# The last line is "N passed, N failed, N skipped"; the exit status is 0 only if none failed.
set -euo pipefail
cd "$(dirname "$0")/.."

# Two runs at once would build in one folder and write one report.
mkdir -p build
exec {lock}<build
if ! flock --nonblock "$lock"; then
  echo "tests: another run is under way in $PWD/build; waiting for its end"
  flock "$lock"
fi

export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros}  # else it leaves out what uses a precompiled header
tools/setup.sh
# Others than Debian 12's format a few lines otherwise.
if [[ $(clang-format --version) == *' 14.'* ]]; then clang-format --dry-run --Werror $(git ls-files '*.cpp' '*.h' '*.cu')
else echo "tests: the format was not checked: clang-format 14 defines it, this is $(clang-format --version)"
fi
[ -e build/build.ninja ] || meson setup build --werror
meson compile -C build

suites=()
[ $# != 0 ] || suites=(--no-suite long)
for suite in "$@"; do suites+=(--suite "$suite"); done
status=0
rm -f build/meson-logs/testlog.junit.xml
meson test -C build --print-errorlogs --no-rebuild ${suites[@]+"${suites[@]}"} || status=$?

# Counts test cases, not programs: meson writes every GoogleTest case into its JUnit file.
/usr/bin/python3 - "$status" <<'PYTHON'
import sys
import xml.etree.ElementTree as xml
try:
    cases = list(xml.parse("build/meson-logs/testlog.junit.xml").getroot().iter("testcase"))
except FileNotFoundError:
    sys.exit("tests: no test was run; is there a suite of that name?")
bad = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
skipped = sum(case.find("skipped") is not None or case.get("status") == "notrun" for case in cases)
if int(sys.argv[1]) and not bad:
    bad = 1  # a program that ended without naming a case
print(f"{len(cases) - bad - skipped} passed, {bad} failed, {skipped} skipped")
sys.exit(1 if bad or not cases else 0)
PYTHON
