# SPDX-License-Identifier: MIT
"""ft-tool convert: labels, head, normalisation, preprocessing; what it refuses to write."""
import json
import os
import pathlib
import resource
import signal
import zipfile

import cli


class Convert(cli.Case):
    def out(self, name="out.safetensors"):
        return str(self.folder / "out" / name)

    def setUp(self):
        super().setUp()
        (self.folder / "out").mkdir()

    def logits(self, model):
        picture = self.write("a.png", cli.png(40, 32, lambda x, y: (x * 6, y * 7, (x * y) % 256)))
        [result] = self.json_of("predict", "--model-file", model, "--logits", picture)["results"]
        return result["logits"]

    def test_json_tells_what_was_written(self):
        answer = self.json_of("convert", self.model(), self.out())
        written = pathlib.Path(self.out()).read_bytes()
        self.assertEqual((answer["path"], answer["bytes"]), (self.out(), len(written)))
        self.assertEqual(answer["sha256"], self.json_of("inspect", self.out())["sha256"])
        self.assertEqual(answer["format"], "safetensors")

    def test_there_and_back_gives_the_same_logits(self):
        model = self.model()
        self.run_tool("convert", model, self.out("a.pth"))
        self.run_tool("convert", self.out("a.pth"), self.out("b.safetensors"))
        self.assertTrue(zipfile.is_zipfile(self.out("a.pth")))
        self.assertEqual(self.logits(self.out("b.safetensors")), self.logits(model))

    def test_the_card_names_its_parent(self):
        model = self.model()
        self.run_tool("convert", model, self.out())
        self.assertEqual(self.json_of("inspect", self.out())["card"]["provenance"]["parent"],
                         self.json_of("inspect", model)["sha256"])

    def test_labels_are_attached(self):
        self.run_tool("convert", self.model(None, 3), self.out(), "--labels", "größe,b c,\"d\"")
        self.assertEqual(self.json_of("inspect", self.out())["labels"], ["größe", "b c", "\"d\""])

    def test_labels_of_another_count_are_answered_with_both_and_the_way_out(self):
        done = self.run_tool("convert", self.model(), self.out(), "--labels", "a,b,c,d", status=cli.INCOMPATIBLE)
        self.assert_error(done, "4 names", "3 classes", "--num-classes 4")
        self.assertEqual(os.listdir(self.folder / "out"), [])

    def test_a_new_head_has_the_count_asked_for_and_keeps_the_trunk(self):
        model = self.model()
        answer = self.json_of("convert", model, self.out(), "--num-classes", 5, "--labels", "a,b,c,d,e")
        self.assertTrue(answer["new-head"])
        old = {t["name"]: t for t in self.json_of("inspect", model, "--tensors")["tensors"]}
        new = {t["name"]: t for t in self.json_of("inspect", self.out(), "--tensors", "--check")["tensors"]}
        self.assertEqual(new["linear.weight"]["shape"], [5, 64])
        self.assertEqual(new["linear.bias"]["shape"], [5])
        for name in set(old) - {"linear.weight", "linear.bias"}:
            self.assertEqual(new[name], old[name])

    def test_a_seed_decides_the_new_head(self):
        hashes = [self.json_of("convert", self.model(), self.out(), "--num-classes", 4, "--seed", seed)["sha256"]
                  for seed in (1, 1, 2)]
        self.assertEqual(hashes[0], hashes[1])
        self.assertNotEqual(hashes[0], hashes[2])

    def test_a_new_head_without_labels_has_none(self):
        self.assertEqual(self.json_of("convert", self.model(), self.out(), "--num-classes", 4)["labels"], [])

    def test_a_labels_file_names_the_new_heads_classes(self):
        labels = self.write("labels.txt", "a, with comma\nb\n")
        answer = self.json_of("convert", self.model(), self.out(), "--num-classes", 2, "--labels-file", labels)
        self.assertEqual(answer["labels"], ["a, with comma", "b"])
        done = self.run_tool("convert", self.model(), self.out(), "--num-classes", 3, "--labels-file", labels,
                             status=cli.INCOMPATIBLE)
        self.assert_error(done, "2 lines", "3")

    def test_preprocessing_is_written_into_the_card(self):
        answer = self.json_of("convert", self.model(), self.out(), "--resize", 70, "--crop", "64x48", "--mean", "0,0.5,1",
                              "--std", "1,0.5,0.25", "--interpolation", "bicubic", "--resize-mode", "crop")
        self.assertEqual(answer["preprocess"], {"mode": "crop", "interpolation": "bicubic", "resize": 70, "crop": [64, 48],
                                                "mean": [0, 0.5, 1], "std": [1, 0.5, 0.25]})
        self.assertEqual(self.json_of("inspect", self.out())["preprocess"], answer["preprocess"])

    def test_the_input_size_takes_the_resize_with_it(self):
        self.run_tool("convert", self.model(), self.out("a.safetensors"), "--resize", 256, "--crop", 224)
        answer = self.json_of("convert", self.out("a.safetensors"), self.out(), "--input-size", 112)
        self.assertEqual((answer["preprocess"]["resize"], answer["preprocess"]["crop"]), (128, [112, 112]))

    def test_preprocessing_that_cannot_be_is_refused(self):
        for option, value in (("crop", "0"), ("crop", "12x"), ("input-size", "big"), ("mean", "1,2"), ("mean", "a,b,c"),
                              ("std", "0,1,1"), ("std", "-1,1,1"), ("resize", "40000")):
            done = self.run_tool("convert", self.model(), self.out(), f"--{option}={value}", status=cli.USAGE)
            self.assert_error(done)
        self.assertEqual(os.listdir(self.folder / "out"), [])

    def test_normalization_is_converted_one_way(self):
        answer = self.json_of("convert", self.model(), self.out("g.safetensors"), "--norm", "group")
        self.assertEqual(answer["normalization"], "group")
        names = {t["name"] for t in self.json_of("inspect", self.out("g.safetensors"), "--tensors")["tensors"]}
        self.assertFalse([name for name in names if "running" in name])
        done = self.run_tool("convert", self.out("g.safetensors"), self.out(), "--norm", "batch", status=cli.INCOMPATIBLE)
        self.assert_error(done, "group", "batch")


class BadTarget(cli.Case):
    def test_an_unknown_ending_is_refused_before_anything_is_read(self):
        done = self.run_tool("convert", "none.pth", self.folder / "out.onnx", status=cli.USAGE)
        self.assert_error(done, "out.onnx", ".safetensors")

    def test_a_folder_and_a_path_through_a_file_are_io_errors(self):
        model = self.model()
        (self.folder / "folder.safetensors").mkdir()
        for target in (self.folder / "folder.safetensors", f"{model}/out.safetensors", self.folder / "none/out.pth"):
            done = self.run_tool("convert", model, target, status=cli.IO)
            self.assert_error(done, str(target))

    def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))

        for ending in (".safetensors", ".pth"):
            folder = pathlib.Path(self.write(f"full{ending}/out{ending}", "old")).parent
            done = self.run_tool("convert", self.model(), folder / f"out{ending}", status=cli.IO, preexec_fn=limit)
            self.assert_error(done, f"out{ending}")
            self.assertEqual((folder / f"out{ending}").read_text(), "old")
            self.assertEqual([name for name in os.listdir(folder) if not name.endswith(".json")], [f"out{ending}"])

    @cli.unittest.skipIf(os.geteuid() == 0, "not tested: root writes into folders that are read-only")
    def test_a_read_only_folder_is_an_io_error(self):
        folder = self.folder / "locked"
        folder.mkdir(mode=0o555)
        self.assert_error(self.run_tool("convert", self.model(), folder / "out.pth", status=cli.IO), "locked")

    def test_a_file_converted_onto_itself_is_whole(self):
        model = self.model()
        self.run_tool("convert", model, model, "--labels", "x,y,z")
        self.assertEqual(self.json_of("inspect", model, "--check")["labels"], ["x", "y", "z"])


if __name__ == "__main__":
    cli.main()
