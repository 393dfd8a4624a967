# SPDX-License-Identifier: MIT
"""Labels by keys: 1 to 9 hold the label of that number, 0 or the same key ends it, q ends it all."""
import select
import sys
import termios
import tty


class Keyboard:
    def __init__(self, names):
        self.names, self.label, self.over, self.closed = names, "", False, False

    def __enter__(self):
        self.settings = termios.tcgetattr(sys.stdin) if sys.stdin.isatty() else None
        if self.settings:
            tty.setcbreak(sys.stdin)
        return self

    def __exit__(self, *_):
        if self.settings:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self.settings)

    def ended(self):
        """Takes what was typed meanwhile; true after q."""
        while not self.closed and select.select([sys.stdin], [], [], 0)[0]:
            key = sys.stdin.buffer.raw.read(1)
            self.closed = not key
            self.press(key.decode(errors="replace"))
        return self.over

    def press(self, key):
        if key == "q":
            self.over = True
        elif key and key in "123456789"[:len(self.names)]:
            name = self.names[int(key) - 1]
            self.label = "" if name == self.label else name
        elif key == "0":
            self.label = ""
