# SPDX-License-Identifier: MIT
"""Python runs this first where PYTHONPATH names its folder. The demo's stream then waits for its learner, which on a
busy machine may get no time for seconds, where the label changes and while there is none."""
import pathlib
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[3] / "pipelines" / "demo"))
import player  # noqa: E402


class WaitingPlayer(player.Player):
    def __init__(self, pipeline, label_at, say):
        super().__init__(pipeline, lambda time_ns: self.wait(label_at(time_ns)), say)
        self.labelled = 0

    def wait(self, label):
        """Before each frame, with its label."""
        while (label != self.told or not label) and not self.learner_is_done():
            time.sleep(0.01)
        self.labelled += bool(label)
        return label

    def learner_is_done(self):
        samples = self.learner.get_property("samples-per-class")
        learnable = [entry for entry in samples.get_value("classes") if entry.get_value("train") > 0]
        return (samples.get_value("offered") + samples.get_value("frames-without-slot") >= self.labelled
                and self.learner.get_property("learner-state").value_nick not in ("training", "judging")
                and (len(learnable) < 2 or bool(self.promotions)))


player.Player = WaitingPlayer
