# SPDX-License-Identifier: MIT
"""ft-tool eval: its numbers against predict's, folder names, the report."""
import html.parser
import json
import os
import re
import resource
import signal

import cli

KEYS = {"images", "failed", "top1", "top5", "loss", "macro-f1", "ece", "classes", "confusion", "images-per-second", "model",
        "device", "engine", "precision"}


class FolderCase(cli.Case):
    def data(self, classes=("red", "green", "blue"), each=6):
        for number, name in enumerate(classes):
            for i in range(each):
                self.write(f"data/{name}/{i}.png",
                           cli.plain_png((number * 90 + i * 11) % 256, (i * 37) % 256, (number * 50 + i * 5) % 256))
        return self.folder / "data"


class Eval(FolderCase):
    def test_the_json_has_the_keys_and_the_counts_of_predict(self):
        model, data = self.model(), self.data()
        answer = self.json_of("eval", "--model-file", model, "--data", data)
        self.assertEqual(set(answer), KEYS)
        predicted = self.json_of("predict", "--model-file", model, data)["results"]
        right = sum(os.path.basename(os.path.dirname(line["path"])) == line["top"][0]["label"] for line in predicted)
        self.assertEqual((answer["images"], answer["failed"]), (18, 0))
        self.assertAlmostEqual(answer["top1"], right / 18)
        self.assertEqual(answer["top5"], 1)
        labels = ["red", "green", "blue"]
        confusion = [[0] * 3 for _ in labels]
        for line in predicted:
            truth = labels.index(os.path.basename(os.path.dirname(line["path"])))
            confusion[truth][line["top"][0]["label-id"]] += 1
        self.assertEqual(answer["confusion"], confusion)
        self.assertEqual([row["label"] for row in answer["classes"]], labels)
        self.assertEqual(set(answer["classes"][0]), {"label", "images", "precision", "recall", "f1"})
        for i, row in enumerate(answer["classes"]):
            self.assertAlmostEqual(row["recall"], confusion[i][i] / 6)
        self.assertEqual(set(answer["model"]), {"arch", "sha256"})
        self.assertEqual(len(answer["model"]["sha256"]), 64)

    def test_a_picture_that_cannot_be_read_is_counted_and_named(self):
        data = self.data()
        self.write("data/red/bad.png", b"x")
        done = self.run_tool("eval", "--model-file", self.model(), "--data", data, "--json", status=1)
        answer = json.loads(done.stdout)
        self.assertEqual((answer["images"], answer["failed"]), (18, 1))
        self.assertIn("bad.png", done.stderr)

    def test_folders_are_matched_by_name_and_not_by_order(self):
        data = self.data(("green", "blue"))
        answer = self.json_of("eval", "--model-file", self.model(), "--data", data)
        self.assertEqual([row["images"] for row in answer["classes"]], [0, 6, 6])

    def test_a_folder_that_the_model_does_not_know_is_listed_with_what_it_knows(self):
        data = self.data(("red", "purple"))
        done = self.run_tool("eval", "--model-file", self.model(), "--data", data, status=cli.INCOMPATIBLE)
        self.assert_error(done, "'purple'", "'red', 'green', 'blue'", "--labels-file")
        self.assertNotIn("folders 'red'", done.stderr)

    def test_a_label_of_two_classes_cannot_be_told_from_a_folder(self):
        data = self.data(("crane", "owl"))
        model = self.model(["crane", "owl", "crane"])
        self.assert_error(self.run_tool("eval", "--model-file", model, "--data", data, status=cli.INCOMPATIBLE), "'crane'")

    def test_bare_weights_take_the_sorted_folders_and_say_so(self):
        data = self.data(("b", "c", "a"))
        done = self.run_tool("eval", "--model-file", self.model(None, 3), "--data", data, "--json")
        self.assertEqual([row["label"] for row in json.loads(done.stdout)["classes"]], ["a", "b", "c"])
        self.assertIn("sorted folders", done.stderr)
        self.assertIn("'a', 'b', 'c'", done.stderr)

    def test_bare_weights_with_other_counts_name_both(self):
        data = self.data(("b", "a"))
        done = self.run_tool("eval", "--model-file", self.model(None, 3), "--data", data, status=cli.INCOMPATIBLE)
        self.assertIn("3 classes, the data has 2", done.stderr)

    def test_a_labels_file_names_the_classes(self):
        data = self.data(("x", "y", "z"))
        labels = self.write("labels.txt", "x\ny\nz\n")
        answer = self.json_of("eval", "--model-file", self.model(), "--labels-file", labels, "--data", data)
        self.assertEqual([row["label"] for row in answer["classes"]], ["x", "y", "z"])

    def test_a_labels_file_of_another_length_names_both_counts(self):
        for text, lines in (("x\ny\n", "2"), ("x\ny\nz\nw\n", "4")):
            labels = self.write("labels.txt", text)
            done = self.run_tool("eval", "--model-file", self.model(), "--labels-file", labels, "--data", self.data(),
                                 status=cli.INCOMPATIBLE)
            self.assert_error(done, f"{lines} labels", "3x64", "--labels-file with 3 lines")

    def test_a_labels_file_that_is_missing_empty_or_a_folder_is_an_error(self):
        data, model = self.data(), self.model()
        for name, status in ((self.folder / "none.txt", cli.NOT_FOUND), (self.write("empty.txt", ""), cli.CORRUPT),
                             (self.folder, cli.IO)):
            done = self.run_tool("eval", "--model-file", model, "--labels-file", name, "--data", data, status=status)
            self.assert_error(done, str(name))

    def test_data_that_is_missing_or_has_no_classes_is_not_found(self):
        model = self.model()
        self.write("flat/a.png", cli.plain_png(1, 2, 3))
        self.write("empty/class/readme.txt", "x")
        for name in ("none", "flat", "empty"):
            done = self.run_tool("eval", "--model-file", model, "--data", self.folder / name, status=cli.NOT_FOUND)
            self.assert_error(done, name)

    def test_text_shows_the_totals_and_each_class(self):
        text = self.run_tool("eval", "--model-file", self.model(), "--data", self.data()).stdout
        self.assertRegex(text, r"top-1 +\d+\.\d\d %")
        for label in ("red", "green", "blue"):
            self.assertRegex(text, rf"\n{label} +6 ")


class Page(html.parser.HTMLParser):
    """Checks that tags close in order, and collects what a test asks about."""
    VOID = {"meta", "img", "br", "line", "rect"}

    def __init__(self, text):
        super().__init__()
        self.open, self.images, self.text, self.tags = [], [], "", []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attributes)["src"])
        if tag not in self.VOID or tag == "rect":
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data


class Report(FolderCase):
    def report(self, model, data):
        path = self.folder / "report.html"
        self.run_tool("eval", "--model-file", model, "--data", data, "--report", path, "--json")
        return path.read_text(encoding="utf-8")

    def test_the_report_is_whole_in_itself(self):
        text = self.report(self.model(), self.data())
        page = Page(text)
        self.assertFalse(re.search(r"(https?:|src=\"(?!data:)|href=|@import|url\()", text))
        for part in ("Confusion", "Classes", "Reliability", "Worst mistakes", "red", "green", "blue"):
            self.assertIn(part, page.text)
        self.assertIn("svg", page.tags)

    def test_mistakes_carry_their_pictures(self):
        answer = self.json_of("eval", "--model-file", self.model(), "--data", self.data())
        wrong = round(answer["images"] * (1 - answer["top1"]))
        page = Page(self.report(self.model(), self.data()))
        self.assertGreater(wrong, 0)
        self.assertEqual(len(page.images), min(wrong, 24))
        self.assertTrue(all(source.startswith("data:image/jpeg;base64,/9j/") for source in page.images))

    def test_labels_and_paths_are_escaped(self):
        labels = ["<script>alert(1)</script>", 'a&b "c"', "größe"]
        folders = ["a&b \"c\"", "größe"]
        text = self.report(self.model(labels), self.data(folders))
        self.assertNotIn("<script", text)
        self.assertIn("a&amp;b &quot;c&quot;", text)
        self.assertIn(labels[0], Page(text).text)

    def test_a_target_that_cannot_be_is_found_out_before_the_work(self):
        model, data = self.model(), self.data()
        for target in (self.folder, self.folder / "none/report.html", f"{self.write('file', '')}/report.html"):
            done = self.run_tool("eval", "--model-file", model, "--data", data, "--report", target, status=cli.IO)
            self.assert_error(done, str(target))

    def test_a_full_disk_leaves_the_old_report(self):
        path = self.write("out/report.html", "old")

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))

        done = self.run_tool("eval", "--model-file", self.model(), "--data", self.data(), "--report", path, "--json",
                             status=cli.IO, preexec_fn=limit)
        self.assertEqual(json.loads(done.stdout)["images"], 18)
        self.assertIn(path, done.stderr)
        self.assertEqual(os.listdir(self.folder / "out"), ["report.html"])
        self.assertEqual((self.folder / "out/report.html").read_text(), "old")


if __name__ == "__main__":
    cli.main()
