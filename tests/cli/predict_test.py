# SPDX-License-Identifier: MIT
"""ft-tool predict: order, formats, escaping, streams."""
import csv
import io
import json
import os
import re
import signal
import subprocess
import time

import cli


class Predict(cli.Case):
    def lines(self, *arguments, **options):
        done = self.run_tool("predict", "--format", "jsonl", *arguments, **options)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def pictures(self, count):
        return [self.write(f"in/{i:03}.png", cli.plain_png(i * 7 % 256, i * 31 % 256, i * 3 % 256)) for i in range(count)]

    def test_a_line_names_the_classes_best_first(self):
        picture = self.write("a.png", cli.plain_png(200, 10, 60))
        [line] = self.lines("--model-file", self.model(), picture)
        self.assertEqual(list(line), ["path", "top"])
        self.assertEqual(line["path"], picture)
        self.assertEqual(sorted(scored["label"] for scored in line["top"]), ["blue", "green", "red"])
        for scored in line["top"]:
            self.assertEqual(list(scored), ["label", "label-id", "confidence"])
            self.assertEqual(["red", "green", "blue"][scored["label-id"]], scored["label"])
        confidences = [scored["confidence"] for scored in line["top"]]
        self.assertEqual(confidences, sorted(confidences, reverse=True))
        self.assertAlmostEqual(sum(confidences), 1)

    def test_the_order_is_the_inputs_whatever_workers_and_batch(self):
        model, paths = self.model(), self.pictures(37)
        paths.reverse()
        answers = [self.lines("--model-file", model, "--workers", workers, "--batch-size", batch, *paths)
                   for workers, batch in ((1, 1), (4, 5), (8, 16))]
        self.assertEqual([line["path"] for line in answers[0]], paths)
        self.assertEqual(answers[1], answers[0])
        self.assertEqual(answers[2], answers[0])

    def test_a_folder_is_searched_in_depth_and_sorted(self):
        picture = cli.plain_png(1, 2, 3)
        for name in ("in/b.png", "in/a/z.PNG", "in/a/y.png", "in/note.txt", "in/.hidden.png"):
            self.write(name, picture)
        lines = self.lines("--model-file", self.model(), self.folder / "in")
        self.assertEqual([os.path.relpath(line["path"], self.folder) for line in lines],
                         ["in/a/y.png", "in/a/z.PNG", "in/b.png"])

    def test_a_bad_file_does_not_stop_the_rest(self):
        good, bad = self.write("a.png", cli.plain_png(9, 9, 9)), self.write("b.png", b"text")
        lines = self.lines("--model-file", self.model(), good, bad, self.folder / "none.png", good, status=1)
        self.assertEqual(["top" in line for line in lines], [True, False, False, True])
        self.assertEqual([line["error"]["code"] for line in lines[1:3]], ["corrupt-file", "not-found"])
        self.assertEqual(list(lines[1]["error"]), ["code", "message"])
        self.assertIn("b.png", lines[1]["error"]["message"])

    def test_top_k_and_threshold_cut_the_list(self):
        picture = self.write("a.png", cli.plain_png(200, 10, 60))
        model = self.model([f"class {i}" for i in range(9)])
        self.assertEqual(len(self.lines("--model-file", model, picture)[0]["top"]), 5)
        self.assertEqual(len(self.lines("--model-file", model, "--top-k", 2, picture)[0]["top"]), 2)
        everything = self.lines("--model-file", model, "--top-k", 0, picture)[0]["top"]
        self.assertEqual(len(everything), 9)
        best = everything[0]["confidence"]
        [line] = self.lines("--model-file", model, "--threshold", best + 1e-6, "--unknown-label", "nobody", picture)
        self.assertEqual(line["top"][0]["label"], "nobody")
        self.assertEqual(line["top"][0]["label-id"], -1)
        [line] = self.lines("--model-file", model, "--threshold", best - 1e-6, "--unknown-label", "nobody", picture)
        self.assertEqual(line["top"][0], everything[0])

    def test_logits_and_embedding_come_when_asked_for(self):
        picture = self.write("a.png", cli.plain_png(200, 10, 60))
        [line] = self.lines("--model-file", self.model(), "--logits", "--embedding", "--top-k", 1, picture)
        self.assertEqual(len(line["logits"]), 3)
        self.assertEqual(len(line["embedding"]), 64)
        self.assertEqual(line["logits"].index(max(line["logits"])), line["top"][0]["label-id"])

    def test_labels_with_quotes_commas_newlines_and_utf8_survive_json_and_csv(self):
        labels = ['say "hi", you', "two\nlines", "größe 日本", "tab\tand ' <b>"]
        model, picture = self.model(labels), self.write("a.png", cli.plain_png(5, 60, 200))
        [line] = self.lines("--model-file", model, picture)
        self.assertEqual(sorted(scored["label"] for scored in line["top"]), sorted(labels))
        text = self.run_tool("predict", "--format", "csv", "--logits", "--model-file", model, picture).stdout
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        self.assertEqual([row["label"] for row in rows], [scored["label"] for scored in line["top"]])
        self.assertEqual([float(row["confidence"]) for row in rows], [scored["confidence"] for scored in line["top"]])
        self.assertEqual([row["rank"] for row in rows], ["1", "2", "3", "4"])
        self.assertEqual(len(rows[0]["logits"].split(" ")), 4)
        self.assertEqual(len(self.run_tool("predict", "--model-file", model, picture).stdout.splitlines()), 1)

    def test_a_csv_row_of_an_error_has_as_many_fields_as_the_header(self):
        bad = self.write('a "b", c.png', b"")
        text = self.run_tool("predict", "--format", "csv", "--model-file", self.model(), bad, status=1).stdout
        header, row = csv.reader(io.StringIO(text, newline=""))
        self.assertEqual(len(row), len(header))
        self.assertEqual(row[header.index("path")], bad)
        self.assertEqual(row[header.index("error-code")], "corrupt-file")

    def test_odd_file_names_are_read_and_told(self):
        model = self.model()
        names = ["with space.png", "new\nline.png", "größe-日本.png", "-dash.png", "quote'\".png"]
        paths = [self.write(name, cli.plain_png(7, 8, 9)) for name in names]
        self.assertEqual([line["path"] for line in self.lines("--model-file", model, *paths)], paths)
        [line] = self.lines("--model-file", model, "--", "-dash.png", cwd=self.folder)
        self.assertEqual(line["path"], "-dash.png")
        text = self.run_tool("predict", "--model-file", model, paths[1]).stdout
        self.assertEqual(text.count("\n"), 1)
        self.assertIn("new\\nline.png", text)

    def test_a_name_that_is_not_utf8_is_read_and_replaced_in_json(self):
        path = os.fsencode(self.folder) + b"/\xff\xfe.png"
        with open(path, "wb") as file:
            file.write(cli.plain_png(7, 8, 9))
        done = subprocess.run([cli.FT_TOOL, "predict", "--format", "jsonl", "--model-file", self.model(), path],
                              capture_output=True, env={**os.environ, "LC_ALL": "C"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("\ufffd", json.loads(done.stdout)["path"])

    def test_utf8_options_work_in_the_c_locale(self):
        picture = self.write("a.png", cli.plain_png(7, 8, 9))
        [line] = self.lines("--model-file", self.model(), "--threshold", "1", "--unknown-label", "größe", picture,
                            env={**os.environ, "LC_ALL": "C"})
        self.assertEqual(line["top"][0]["label"], "größe")

    def test_json_is_one_object_of_all_pictures(self):
        paths = self.pictures(3) + [self.write("bad.png", b"x")]
        answer = self.json_of("predict", "--model-file", self.model(), *paths, status=1)
        self.assertEqual([result["path"] for result in answer["results"]], paths)
        self.assertEqual((answer["images"], answer["failed"]), (4, 1))

    def test_an_empty_list_on_standard_input_is_done(self):
        self.assertEqual(self.lines("--model-file", self.model(), "-", input=""), [])

    def test_paths_on_standard_input_are_read_to_the_last_line(self):
        paths = self.pictures(20)
        lines = self.lines("--model-file", self.model(), "-", input="\n".join(paths))
        self.assertEqual([line["path"] for line in lines], paths)

    def start(self, *arguments):
        return subprocess.Popen([cli.FT_TOOL, "predict", "--format", "jsonl", "--model-file", self.model(), *arguments],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_each_path_is_answered_before_the_next_is_given(self):
        with self.start("-") as tool:
            for path in self.pictures(3):
                tool.stdin.write(path + "\n")
                tool.stdin.flush()
                self.assertEqual(json.loads(tool.stdout.readline())["path"], path)
            tool.stdin.close()
            self.assertEqual(tool.wait(timeout=cli.HANG_GUARD_S), 0)

    def test_ctrl_c_ends_cleanly_with_whole_lines(self):
        with self.start("-") as tool:
            [path] = self.pictures(1)
            tool.stdin.write(path + "\n")
            tool.stdin.flush()
            first = tool.stdout.readline()
            tool.send_signal(signal.SIGINT)
            rest, errors = tool.stdout.read(), tool.stderr.read()
            self.assertEqual(tool.wait(timeout=cli.HANG_GUARD_S), cli.CANCELLED)
        self.assertEqual(json.loads(first)["path"], path)
        self.assertEqual(rest, "")
        self.assertEqual(errors, "ft-tool: stopped by a signal\n")

    def test_a_reader_that_goes_away_ends_it_quietly(self):
        with self.start("-") as tool:
            [path] = self.pictures(1)
            tool.stdout.close()
            tool.stdin.write(path + "\n")
            tool.stdin.flush()
            self.assertEqual(tool.wait(timeout=cli.HANG_GUARD_S), cli.IO)
            self.assertEqual(tool.stderr.read(), "")

    def test_exif_orientation_is_applied(self):
        turned = (cli.GOLDEN_PICTURES / "exif_rotated.jpg").read_bytes()
        at = turned.index(b"Exif\0\0")
        place = turned.index(b"\x12\x01", at) if b"\x12\x01" in turned[at:at + 80] else turned.index(b"\x01\x12", at)
        upright = bytearray(turned)
        value = turned.index(b"\x06", place)
        upright[value] = 1
        paths = [self.write("turned.jpg", turned), self.write("upright.jpg", bytes(upright))]
        first, second = self.lines("--model-file", self.model(), "--logits", *paths)
        self.assertNotEqual(first["logits"], second["logits"])

    def test_no_progress_bar_where_nobody_looks(self):
        done = self.run_tool("predict", "--model-file", self.model(), *self.pictures(5))
        self.assertEqual(done.stderr, "")
        self.assertTrue(re.fullmatch(r"(.+: \S+ \d\.\d{4}, \S+ \d\.\d{4}, \S+ \d\.\d{4}\n){5}", done.stdout), done.stdout)

    def test_work_over_a_second_shows_a_bar_on_a_terminal(self):
        leader, follower = os.openpty()
        self.addCleanup(os.close, leader)
        tool = subprocess.Popen([cli.FT_TOOL, "benchmark", "--arch", "resnet20", "--seconds", "2", "--warmup", "0",
                                 "--threads", "1", "--json"], stdout=subprocess.PIPE, stderr=follower)
        answer = json.loads(tool.communicate(timeout=cli.HANG_GUARD_S)[0])
        os.close(follower)
        self.assertGreater(answer["iterations"], 0)
        time.sleep(0.1)
        self.assertIn(b"benchmark", os.read(leader, 65536))


if __name__ == "__main__":
    cli.main()
