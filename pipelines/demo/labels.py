# SPDX-License-Identifier: MIT
"""What a recording shows when: the label file that ft-tool live reads, too. CSV (RFC 4180, UTF-8) without a header,
from-seconds,to-seconds,label[,use]; use is learn (the default) or judge; lines that begin with # are comments."""
import collections
import csv
import math

Span = collections.namedtuple("Span", "start end label use")  # running time in ns, from start on and before end


class BadLabels(ValueError):
    pass


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = csv.reader(line for line in file if not line.startswith("#"))
        try:
            spans = [span for row in rows if row for span in [span_of(row)]]
        except (ValueError, csv.Error) as error:
            raise BadLabels(f"labels '{path}': {error}")
    spans.sort()
    for earlier, later in zip(spans, spans[1:]):
        if later.start < earlier.end:
            raise BadLabels(f"labels '{path}': '{earlier.label}' and '{later.label}' overlap at {later.start / 1e9} s")
    return spans


def span_of(row):
    if len(row) not in (3, 4):
        raise ValueError(f"{','.join(row)}: not from-seconds,to-seconds,label[,use]")
    start, end = (float(text) for text in row[:2])
    use = row[3] if len(row) == 4 else "learn"
    if not (math.isfinite(end) and 0 <= start < end) or not row[2] or use not in ("learn", "judge"):
        raise ValueError(f"{','.join(row)}: 0 <= from < to, a label, and learn or judge are wanted")
    return Span(round(start * 1e9), round(end * 1e9), row[2], use)


class Track:
    """Finds the span of an instant; instants come in order, mostly."""

    def __init__(self, spans):
        self.spans = spans

    def at(self, time_ns):
        return next((span for span in self.spans if span.start <= time_ns < span.end), None)
