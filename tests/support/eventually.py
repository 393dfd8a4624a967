# SPDX-License-Identifier: MIT
"""Waiting for what a learner or a program does in its own time. The guard ends what hangs; it checks no speed."""
import time

HANG_GUARD_S = 300


def eventually(condition, what):
    """Until `condition()` holds; `what` says what did not come."""
    deadline = time.monotonic() + HANG_GUARD_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {HANG_GUARD_S} s: {what}"
        time.sleep(0.002)
