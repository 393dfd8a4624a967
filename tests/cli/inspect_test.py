# SPDX-License-Identifier: MIT
"""ft-tool inspect: what a file holds, and its checks."""
import array
import hashlib
import json
import pathlib

import cli


class Inspect(cli.Case):
    def test_json_tells_what_the_file_holds(self):
        path = self.model(["a", "b", "c"])
        answer = self.json_of("inspect", path)
        self.assertEqual(list(answer), ["format", "arch", "num-classes", "labels", "parameters", "normalization",
                                        "preprocess", "sha256", "card"])
        self.assertEqual(answer["format"], "safetensors")
        self.assertEqual((answer["arch"], answer["num-classes"], answer["normalization"]), ("resnet20", 3, "batch"))
        self.assertEqual(answer["labels"], ["a", "b", "c"])
        self.assertEqual(answer["sha256"], hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest())
        self.assertEqual(answer["card"], cli.card_of(["a", "b", "c"], 3))
        trained = [t for name, t in cli.resnet20_tensors(3).items() if "running" not in name]
        self.assertEqual(answer["parameters"], sum(len(data) // 4 for _, data in trained))

    def test_the_line_of_ancestors_goes_as_far_as_files_of_the_folder_do(self):
        model, first, second = self.model(), self.folder / "first.safetensors", self.folder / "second.safetensors"
        self.run_tool("convert", model, first)
        self.run_tool("convert", first, second)
        hashes = [hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest() for path in (first, model)]
        line = self.json_of("inspect", second)["ancestors"]
        self.assertEqual([each["sha256"] for each in line], hashes)
        self.assertEqual(line[0]["file"], "first.safetensors")
        first.unlink()
        self.assertEqual(self.json_of("inspect", second)["ancestors"], [{"sha256": hashes[0], "file": None}])

    def test_a_file_without_a_card_has_none(self):
        answer = self.json_of("inspect", self.model(None, 3))
        self.assertIsNone(answer["card"])
        self.assertEqual(answer["labels"], [])

    def test_tensors_come_with_shape_type_and_hash(self):
        answer = self.json_of("inspect", self.model(), "--tensors")
        expected = cli.resnet20_tensors(3)
        self.assertEqual({tensor["name"] for tensor in answer["tensors"]}, set(expected))
        for tensor in answer["tensors"]:
            shape, data = expected[tensor["name"]]
            self.assertEqual(tensor, {"name": tensor["name"], "shape": shape, "dtype": "F32",
                                      "sha256": hashlib.sha256(data).hexdigest()})

    def checks(self, path, status):
        return {check["name"]: check for check in self.json_of("inspect", path, "--check", status=status)["checks"]}

    def test_a_sound_file_passes_every_check(self):
        checks = self.checks(self.model(), 0)
        self.assertEqual(set(checks), {"finite", "variances-positive", "head-fits-labels"})
        self.assertTrue(all(check["ok"] for check in checks.values()))

    def broken(self, name, index, value, labels=("a", "b", "c")):
        tensors = cli.resnet20_tensors(3)
        shape, data = tensors[name]
        values = array.array("f", data)
        values[index] = value
        tensors[name] = (shape, values.tobytes())
        path = self.folder / "broken.safetensors"
        cli.write_safetensors(path, tensors, cli.card_of(list(labels), 3))
        return str(path)

    def test_nan_fails_the_check_that_names_the_tensor(self):
        checks = self.checks(self.broken("layer2.1.conv1.weight", 5, float("nan")), 1)
        self.assertFalse(checks["finite"]["ok"])
        self.assertIn("layer2.1.conv1.weight[5]", checks["finite"]["detail"])
        self.assertTrue(checks["variances-positive"]["ok"])

    def test_a_variance_that_is_not_positive_fails(self):
        for value in (-1, 0):
            checks = self.checks(self.broken("bn1.running_var", 2, value), 1)
            self.assertFalse(checks["variances-positive"]["ok"])
            self.assertIn("bn1.running_var[2]", checks["variances-positive"]["detail"])

    def test_labels_that_do_not_fit_the_head_fail(self):
        path = self.folder / "m.safetensors"
        card = cli.card_of(["a", "b"], 3)
        cli.write_safetensors(path, cli.resnet20_tensors(3), card)
        checks = self.checks(path, 1)
        self.assertFalse(checks["head-fits-labels"]["ok"])

    def test_nan_is_refused_at_load_unless_allowed(self):
        path = self.broken("linear.bias", 0, float("inf"))
        picture = self.write("a.png", cli.plain_png(1, 2, 3))
        done = self.run_tool("predict", "--model-file", path, picture, status=cli.INCOMPATIBLE)
        self.assert_error(done, path, "linear.bias", "--allow-non-finite")
        self.run_tool("inspect", path, "--allow-non-finite")

    def test_text_has_a_line_for_each_member_and_check(self):
        text = self.run_tool("inspect", self.model(), "--check").stdout
        self.assertRegex(text, r"(?m)^arch +resnet20$")
        self.assertRegex(text, r"(?m)^ok +finite: ")


class BadModelFile(cli.Case):
    def test_a_missing_well_known_file_is_told_where_to_get(self):
        done = self.run_tool("inspect", self.folder / "resnet50-0676ba61.pth", status=cli.NOT_FOUND)
        self.assert_error(done, "resnet50-0676ba61.pth", "publisher")

    def test_empty_foreign_and_folder(self):
        for name, status in ((self.write("empty.pth", ""), cli.CORRUPT), (self.write("text.pth", "hello"), cli.CORRUPT),
                             (self.folder, cli.IO), (self.folder / "none", cli.NOT_FOUND)):
            self.assert_error(self.run_tool("inspect", name, status=status), str(name))

    def test_a_truncated_file_is_an_error_at_every_tenth(self):
        whole = pathlib.Path(self.model()).read_bytes()
        for tenth in range(10):
            path = self.write("cut.safetensors", whole[:len(whole) * tenth // 10])
            self.assert_error(self.run_tool("inspect", path, status=cli.CORRUPT), path)

    def test_weights_of_another_architecture_name_tensor_and_shapes(self):
        done = self.run_tool("inspect", self.model(), "--arch", "resnet56", status=cli.INCOMPATIBLE)
        self.assert_error(done, "model.safetensors", "layer1.3")


if __name__ == "__main__":
    cli.main()
