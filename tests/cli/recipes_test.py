# SPDX-License-Identifier: MIT
"""Each recipe of tools/recipes trains a few steps on small pictures, with the values that its file names."""
import configparser
import json

import cli
import training

# What makes a few steps of it. Everything else is the recipe's.
SMALL = {
    "cifar10": (["--arch", "resnet20", "--epochs", 1, "--batch-size", 8], 32),
    "small-folder": (["--arch", "resnet20", "--epochs", 1, "--head-epochs", 1, "--batch-size", 8], 48),
    "imagenet-v2": (["--arch", "resnet18", "--epochs", 1, "--batch-size", 6, "--grad-accum-steps", 2], 64),
    "resnet-299": (["--arch", "resnet18", "--epochs", 1, "--batch-size", 6], 64),
}


class Recipes(training.TrainCase):
    def test_every_recipe_is_tested(self):
        self.assertEqual({path.stem for path in (cli.ROOT / "tools/recipes").glob("*.ini")}, set(SMALL))

    def run_recipe(self, name):
        arguments, size = SMALL[name]
        config = cli.ROOT / f"tools/recipes/{name}.ini"
        for part, each, seed in (("train", 4, 1), ("val", 2, 2)):
            training.write_part(self.folder / "small" / part, each, seed, size=size)
        done = self.run_tool("train", "--config", config, "--data", self.folder / "small", "--output",
                             self.folder / "run", *arguments, "--json", timeout=280)
        self.assertEqual(json.loads(done.stdout)["stopped"], "completed")
        asked, used = (configparser.ConfigParser(interpolation=None) for _ in range(2))
        asked.read(config)
        used.read(self.folder / "run/args.ini")
        overridden = {str(word)[2:] for word in arguments if str(word).startswith("--")}
        for option, value in asked["train"].items():
            if option in overridden:
                continue
            same = used["train"][option]
            self.assertTrue(same == value or float(same) == float(value), f"{option}: {same}, not {value}")
        return training.card_of(self.folder / "run/model.safetensors")

    def test_cifar10(self):
        self.assertEqual(self.run_recipe("cifar10")["preprocess"]["crop"], [32, 32])

    def test_small_folder(self):
        self.assertEqual(self.run_recipe("small-folder")["normalization"], "frozen")

    def test_imagenet_v2(self):
        card = self.run_recipe("imagenet-v2")
        self.assertEqual((card["preprocess"]["resize"], card["preprocess"]["crop"]), (232, [224, 224]))
        self.assertEqual(card["provenance"]["recipe"]["train-crop-size"], "176")

    def test_resnet_299(self):
        preprocess = self.run_recipe("resnet-299")["preprocess"]
        self.assertEqual((preprocess["crop"], preprocess["mean"]), ([299, 299], [0.485, 0.456, 0.406]))


if __name__ == "__main__":
    cli.main()
