# SPDX-License-Identifier: MIT
"""The two published CIFAR nets give PyTorch's counts and logits on the 10,000 JPEG test images."""
import json
import pathlib
import shutil
import tarfile
import tempfile

import cli

# JPEG decoders differ: two images of ten thousand may fall to the other side.
IMAGES_ALLOWED = 2
LOGIT_TOLERANCE = 1e-3


@cli.unittest.skipUnless((cli.DATA / "cifar10-images.tar.gz").exists(),
                         f"not tested: the accuracy on CIFAR-10, there is no {cli.DATA}/cifar10-images.tar.gz")
class Accuracy(cli.Case):
    @classmethod
    def setUpClass(cls):
        cls.images = pathlib.Path(tempfile.mkdtemp(prefix="ft-tool-cifar-"))
        cls.addClassCleanup(shutil.rmtree, cls.images)
        with tarfile.open(cli.DATA / "cifar10-images.tar.gz") as archive:
            members = [m for m in archive if m.isfile() and m.name.lstrip("./").startswith("test/")]
            archive.extractall(cls.images, members)

    def check(self, name):
        golden = json.loads((cli.DATA / f"golden/cifar_{name}.json").read_text())
        weights = cli.DATA / "weights" / golden["weights"]
        answer = self.json_of("eval", "--model-file", weights, "--data", self.images / "test", "--threads", 1,
                              timeout=600)
        self.assertEqual((answer["images"], answer["failed"]), (10000, 0))
        self.assertEqual([row["label"] for row in answer["classes"]], golden["classes"])
        for measure in ("top1", "top5"):
            self.assertLessEqual(abs(round(10000 * (answer[measure] - golden[measure]))), IMAGES_ALLOWED, measure)

        paths = [self.images / entry["path"] for entry in golden["first"]]
        lines = self.json_of("predict", "--model-file", weights, "--logits", *paths)["results"]
        self.assertEqual(len(lines), 16)
        for line, entry in zip(lines, golden["first"]):
            for ours, theirs in zip(line["logits"], entry["logits"], strict=True):
                self.assertLess(abs(ours - theirs), LOGIT_TOLERANCE, entry["path"])

    def test_resnet20_gives_pytorchs_counts_and_logits(self):
        self.check("resnet20")

    def test_layer_normalisation_keeps_most_of_it_before_any_training(self):
        answer = self.json_of("train", "--data", self.images / "test", "--val-data", self.images / "test", "--output",
                              self.folder / "run", "--model-file", cli.DATA / "weights/resnet20-12fca82f.th", "--norm",
                              "layer", "--trainable", "all", "--epochs", 0, timeout=600)
        print(f"# layer normalisation: top-1 {answer['top1']:.4f}")
        self.assertGreaterEqual(answer["top1"], 0.70)

    def test_resnet56_gives_pytorchs_counts_and_logits(self):
        self.check("resnet56")


if __name__ == "__main__":
    cli.main()
