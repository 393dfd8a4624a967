# SPDX-License-Identifier: MIT
"""How often what was shown is what was there, on the spans that the learner was not told about."""
import collections

import labels


def judged(seen, spans):
    """Pairs of truth and answer of the frames in spans to judge."""
    track = labels.Track([span for span in spans if span.use == "judge"])
    pairs = ((track.at(entry.time), entry.label) for entry in seen)
    return [(span.label, answer) for span, answer in pairs if span]


def accuracy(pairs):
    return sum(truth == answer for truth, answer in pairs) / len(pairs) if pairs else None


def renamed_in_hindsight(pairs):
    """The best that anybody could make of a model that knows none of the names: each of its answers stands for what
    it met most often, chosen on the very frames that are judged."""
    met = collections.defaultdict(collections.Counter)
    for truth, answer in pairs:
        met[answer][truth] += 1
    return sum(max(truths.values()) for truths in met.values()) / len(pairs) if pairs else None


def over_time(seen, spans, step=1_000_000_000):
    """Seconds and accuracy of each step of the recording, told or not."""
    track, steps = labels.Track(spans), collections.defaultdict(list)
    for entry in seen:
        span = track.at(entry.time)
        if span:
            steps[entry.time // step].append((span.label, entry.label))
    return [(index * step / 1e9, accuracy(pairs)) for index, pairs in sorted(steps.items())]
