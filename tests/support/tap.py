# SPDX-License-Identifier: MIT
# Runs the unittest cases of the main program and reports in TAP, so that each counts by itself.
import sys
import unittest


class TapResult(unittest.TestResult):
    """Prints a line for each test as it ends."""

    def startTest(self, test):
        super().startTest(test)
        self.bad_before = len(self.failures) + len(self.errors)
        self.skipped_before = len(self.skipped)

    def stopTest(self, test):
        super().stopTest(test)
        bad = len(self.failures) + len(self.errors) > self.bad_before
        skip = f" # SKIP {self.skipped[-1][1]}" if len(self.skipped) > self.skipped_before else ""
        name = test.id().removeprefix("__main__.")
        print(f"{'not ok' if bad else 'ok'} {self.testsRun} - {name}{skip}", flush=True)


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    print(f"1..{suite.countTestCases()}", flush=True)
    result = TapResult()
    suite.run(result)
    for _, text in result.failures + result.errors:
        print(text, file=sys.stderr)  # meson shows it
    sys.exit(not result.wasSuccessful())
