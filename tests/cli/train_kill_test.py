# SPDX-License-Identifier: MIT
"""ft-tool train, killed two hundred times at random moments, leaves no file that cannot be read, and goes on."""
import json
import os
import random
import struct
import subprocess
import time

import cli
import training

KILLS = int(os.environ.get("RESNETFT_KILLS", 200))
LIFE_S = 1.5  # of a run at most, from its first checkpoint on


def check_safetensors(path):
    """That the file is as long as its header says, and holds every tensor."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    assert len(data) == 8 + length + max(row["data_offsets"][1] for name, row in header.items()
                                         if name != "__metadata__"), path


class Kill(training.TrainCase):
    def start(self):
        command = self.arguments("--epochs", 100000, "--checkpoint-interval", 1, "--batch-size", 4, "--model-ema",
                                 "--resume", "auto")
        return subprocess.Popen([cli.FT_TOOL, *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def steps_of(self, folder):
        return max((int(path.stem.split("-")[1]) for path in folder.glob("checkpoint-*.safetensors")), default=0)

    def wait_for_work(self, process, before):
        end = time.monotonic() + cli.HANG_GUARD_S
        while self.steps_of(self.folder / "run/checkpoints") <= before:
            if process.poll() is not None:
                self.fail("the run ended by itself: " + process.stderr.read().decode())
            self.assertLess(time.monotonic(), end, "no new checkpoint came")
            time.sleep(0.01)

    def check_files(self):
        run = self.folder / "run"
        for path in run.rglob("*.safetensors"):
            check_safetensors(path)
        self.assertLessEqual(len(list(run.rglob("*.part"))), 1)  # what was being written; the next run removes it
        for line in (run / "metrics.jsonl").read_text().splitlines() if (run / "metrics.jsonl").exists() else []:
            json.loads(line)
        self.assertTrue((run / "args.ini").read_text().endswith("\n"))

    def test_two_hundred_kills_at_random_moments_leave_no_unreadable_file(self):
        draw, steps, moments = random.Random(5), [0], []
        for _ in range(KILLS):
            process = self.start()
            # Some moments lie before the first new checkpoint: while the last one is read.
            if draw.random() < 0.8:
                self.wait_for_work(process, steps[-1])
            moments.append(draw.random() * LIFE_S)
            time.sleep(moments[-1])
            process.kill()
            process.communicate()
            self.check_files()
            steps.append(self.steps_of(self.folder / "run/checkpoints"))
            self.assertGreaterEqual(steps[-1], steps[-2])
        self.assertEqual(len(steps), KILLS + 1)
        answer = self.train("--epochs", 100000, "--checkpoint-interval", 1, "--batch-size", 4, "--model-ema",
                            "--resume", "auto", "--max-time", 0.01)
        self.assertEqual(answer["stopped"], "time")
        print(f"# {KILLS} kills at {min(moments):.3f} to {max(moments):.3f} s; {steps[-1]} steps were trained")


if __name__ == "__main__":
    cli.main()
