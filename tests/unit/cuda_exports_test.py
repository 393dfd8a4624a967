#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that the CUDA module exports its entry point alone and needs neither a driver, nor CUDA's shared libraries, nor
the rest of resnetft. Argument: the module."""
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import tap  # noqa: E402

MODULE = sys.argv.pop(1)
SYSTEM = re.compile(r"^(ld-linux-x86-64\.so\.2|lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+|asan|ubsan|tsan)\.so\.\d+)$")


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Exports(unittest.TestCase):
    def test_the_entry_point_is_all_that_is_exported(self):
        symbols = [line.split()[-1] for line in output_of("nm", "-D", "--defined-only", MODULE).splitlines()]
        self.assertEqual(symbols, ["resnetft_cuda_module"])

    def test_only_libraries_of_the_system_are_needed(self):
        needed = re.findall(r"NEEDED.*\[(.*)\]", output_of("readelf", "-d", MODULE))
        self.assertIn("libc.so.6", needed)
        for library in needed:
            self.assertRegex(library, SYSTEM)


if __name__ == "__main__":
    tap.main()
