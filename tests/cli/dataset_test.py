# SPDX-License-Identifier: MIT
"""ft-tool dataset: what it finds in folders, and what it writes."""
import gzip
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess

import cli

MOVING = ("num-buffers=90", "pattern=ball")
GST_LAUNCH = shutil.which("gst-launch-1.0")


def noise_png(seed, side=24):
    draw = random.Random(seed)
    values = {(x, y): [draw.randrange(256) for _ in range(3)] for x in range(side) for y in range(side)}
    return cli.png(side, side, lambda x, y: values[x, y])


class DataCase(cli.Case):
    def data(self, counts, name="data"):
        """{class: pictures}; no two pictures are alike."""
        for number, (label, count) in enumerate(counts.items()):
            for i in range(count):
                self.write(f"{name}/{label}/{i:03}.png", noise_png(f"{name}/{label}/{i}"))
        return self.folder / name

    def tree(self, folder):
        return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


class Verify(DataCase):
    def test_sound_pictures_are_counted_and_nothing_else_is_said(self):
        done = self.run_tool("dataset", "verify", self.data({"a": 3, "b": 2}))
        self.assertIn("5 pictures of 2 classes: 0 cannot be decoded, 0 are near-duplicates in 0 groups\n", done.stdout)
        self.assertEqual(done.stderr, "")

    def test_a_corrupt_picture_is_named_once_and_fails_the_check(self):
        data = self.data({"a": 3, "b": 2})
        whole = noise_png(1)
        self.write("data/a/cut.png", whole[:len(whole) // 2])
        self.write("data/b/empty.jpg", b"")
        done = self.run_tool("dataset", "verify", data, "--json", status=cli.CHECK_FAILED)
        answer = json.loads(done.stdout)
        self.assertEqual(answer["images"], 7)
        self.assertEqual([entry["path"] for entry in answer["corrupt"]], [f"{data}/a/cut.png", f"{data}/b/empty.jpg"])
        self.assertIn("cut short", answer["corrupt"][0]["reason"])
        for name in ("cut.png", "empty.jpg"):
            self.assertEqual(done.stderr.count(name), 1)

    def test_pictures_that_look_alike_are_grouped_across_parts(self):
        data = self.data({"train/a": 3, "train/b": 3, "val/a": 2, "val/b": 2})
        shutil.copy(data / "train/a/001.png", data / "val/b/leak.png")
        shutil.copy(data / "train/b/000.png", data / "train/b/again.png")
        answer = self.json_of("dataset", "verify", data)
        self.assertEqual(answer["near-duplicates"], [[f"{data}/train/a/001.png", f"{data}/val/b/leak.png"],
                                                     [f"{data}/train/b/000.png", f"{data}/train/b/again.png"]])
        self.assertEqual(answer["groups-in-both-parts"], 1)
        self.assertIn("1 group of near-duplicates in both train/ and val/", self.run_tool("dataset", "verify", data).stdout)

    def test_a_folder_without_pictures_is_not_found(self):
        done = self.run_tool("dataset", "verify", self.folder / "none", status=cli.NOT_FOUND)
        self.assert_error(done, "none")


class Stats(DataCase):
    def test_counts_sizes_mean_and_deviation_are_those_of_the_pictures(self):
        self.write("data/a/1.png", cli.png(2, 1, lambda x, y: (0, 51, 255) if x else (255, 51, 0)))
        self.write("data/a/2.png", cli.png(4, 3, lambda x, y: (102, 51, 0)))
        self.write("data/b/3.png", cli.png(8, 2, lambda x, y: (0, 51, 0)))
        self.write("data/b/bad.png", b"x")
        part, = self.json_of("dataset", "stats", self.folder / "data")["parts"]
        self.assertEqual((part["images"], part["corrupt"]), (4, 1))
        self.assertEqual(part["classes"], [{"label": "a", "images": 2}, {"label": "b", "images": 2}])
        self.assertEqual((part["width"], part["height"]), ([2, 4, 8], [1, 2, 3]))
        red = [0, 1, 0.4, 0.4, 0, 0]  # each picture weighs the same
        blue = [1, 0, 0, 0, 0, 0]
        for channel, values in enumerate((red, [0.2] * 6, blue)):
            self.assertAlmostEqual(part["mean"][channel], statistics.mean(values))
            self.assertAlmostEqual(part["std"][channel], statistics.pstdev(values), places=6)

    def test_each_part_has_its_own(self):
        answer = self.json_of("dataset", "stats", self.data({"train/a": 3, "test/a": 1}))
        self.assertEqual([(part["name"], part["images"]) for part in answer["parts"]], [("train", 3), ("test", 1)])
        text = self.run_tool("dataset", "stats", self.folder / "data").stdout
        self.assertIn("train/: 3 pictures of 1 class", text)
        self.assertIn("test/: 1 picture of 1 class", text)

    def test_the_hash_is_of_the_data_and_not_of_its_place(self):
        data = self.data({"a": 2})
        shutil.copytree(data, self.folder / "copy")
        sha256 = [self.json_of("dataset", "stats", folder)["parts"][0]["sha256"] for folder in (data, self.folder / "copy")]
        self.assertEqual(sha256[0], sha256[1])

    def test_cifar_binaries_are_data_too(self):
        record = b"\x03" + bytes([255] * 1024 + [0] * 1024 + [51] * 1024)
        for name in [f"data_batch_{i}.bin" for i in range(1, 6)]:
            self.write(f"cifar/{name}", record * 2)
        self.write("cifar/test_batch.bin", record)
        train, test = self.json_of("dataset", "stats", self.folder / "cifar")["parts"]
        self.assertEqual((train["images"], test["images"]), (10, 1))
        self.assertEqual(train["classes"][3], {"label": "3", "images": 10})
        for mean, expected in zip(train["mean"], (1, 0, 0.2)):
            self.assertAlmostEqual(mean, expected)


class Split(DataCase):
    def test_links_go_to_train_and_val_in_the_named_share(self):
        data, out = self.data({"a": 20, "ü b": 10}), self.folder / "out"
        answer = self.json_of("dataset", "split", data, "--output", out, "--val-split", "0.3")
        self.assertEqual((answer["train"], answer["val"], answer["at-random"]), (21, 9, False))
        self.assertEqual(len(list((out / "val/a").iterdir())), 6)
        self.assertEqual(len(list((out / "val/ü b").iterdir())), 3)
        names = [name.split("/", 1)[1] for name in self.tree(out)]
        self.assertEqual(sorted(names), self.tree(data))
        for name in self.tree(out):
            self.assertTrue((out / name).is_symlink())
            self.assertEqual(os.path.realpath(out / name), str((data / name.split("/", 1)[1]).resolve()))

    def test_copies_are_files(self):
        data, out = self.data({"a": 4}), self.folder / "out"
        self.run_tool("dataset", "split", data, "--output", out, "--copy")
        shutil.rmtree(data)
        self.assertEqual(self.json_of("dataset", "verify", out)["images"], 4)
        self.assertFalse(any((out / name).is_symlink() for name in self.tree(out)))

    def test_the_seed_makes_the_split_and_the_workers_do_not(self):
        data = self.data({"a": 20})
        for name, more in (("one", ("--workers", 1)), ("two", ("--workers", 3)), ("other", ("--seed", 1))):
            self.run_tool("dataset", "split", data, "--output", self.folder / name, *more)
        one, two, other = (self.tree(self.folder / name) for name in ("one", "two", "other"))
        self.assertEqual(one, two)
        self.assertNotEqual(one, other)

    def test_pictures_that_look_alike_stay_together_and_are_counted(self):
        data, out = self.data({"a": 10, "b": 10}), self.folder / "out"
        for i in range(4):
            shutil.copy(data / "a/000.png", data / f"a/copy{i}.png")
        done = self.run_tool("dataset", "split", data, "--output", out)
        self.assertIn("5 pictures are near-duplicates in 1 group, which stay on one side", done.stdout)
        sides = {name.split("/")[0] for name in self.tree(out) if "copy" in name or name.endswith("a/000.png")}
        self.assertEqual(len(sides), 1)

    def test_a_class_of_one_picture_many_times_is_split_at_random_and_that_is_said(self):
        data = self.data({"b": 10})
        for i in range(10):
            self.write(f"data/a/{i}.png", noise_png(5))
        done = self.run_tool("dataset", "split", data, "--output", self.folder / "out")
        self.assertIn("at random", done.stdout)
        self.assertEqual(len(list((self.folder / "out/val/a").iterdir())), 2)

    def test_an_empty_class_keeps_its_folders(self):
        data = self.data({"a": 4})
        (data / "none").mkdir()
        self.run_tool("dataset", "split", data, "--output", self.folder / "out")
        self.assertTrue((self.folder / "out/val/none").is_dir() and (self.folder / "out/train/none").is_dir())

    def test_what_must_not_be_written_to_is_refused(self):
        data = self.data({"a": 4})
        self.write("full/x", "y")
        for output, status, part in ((self.folder / "full", cli.IO, "not empty"), (data / "out", cli.USAGE, "in the data"),
                                     (f"{self.folder}/full/x/out", cli.IO, "full/x")):
            self.assert_error(self.run_tool("dataset", "split", data, "--output", output, status=status), part)
        self.assert_error(self.run_tool("dataset", "split", data, status=cli.USAGE), "--output")
        done = self.run_tool("dataset", "split", self.data({"train/a": 2, "val/a": 2}, "both"), "--output",
                             self.folder / "out", status=cli.USAGE)
        self.assert_error(done, "split already")


class Preview(DataCase):
    def sheet(self, *more):
        path = self.folder / "sheet.jpg"
        self.run_tool("dataset", "preview", self.folder / "data", "--output", path, *more)
        return path.read_bytes()

    def size_of(self, jpeg):
        frame = jpeg.index(b"\xff\xc0")
        return int.from_bytes(jpeg[frame + 7:frame + 9], "big"), int.from_bytes(jpeg[frame + 5:frame + 7], "big")

    def test_the_sheet_has_a_row_for_each_picture_and_a_column_for_each_view(self):
        self.data({"a": 5, "b": 5})
        self.assertEqual(self.size_of(self.sheet("--images", 3, "--views", 2)), (4 + 3 * 28, 4 + 3 * 28))
        self.assertEqual(self.size_of(self.sheet("--train-crop-size", "40x20", "--images", 20, "--views", 1)),
                         (4 + 2 * 44, 4 + 10 * 24))

    def test_each_option_changes_the_sheet(self):
        self.data({"a": 8})
        plain = self.sheet()
        self.assertEqual(self.sheet(), plain)
        for more in (("--auto-augment", "ta-wide"), ("--color-jitter", "0.5"), ("--random-erase", "1"), ("--hflip", "0"),
                     ("--mixup-alpha", "1"), ("--cutmix-alpha", "1"),
                     ("--crop", "none"), ("--crop", "random-resized"), ("--seed", "1"), ("--views", "3"),
                     ("--images", "3"), ("--train-crop-size", "30")):
            self.assertNotEqual(self.sheet(*more), plain, more)
        self.assertNotEqual(self.sheet("--crop", "random-resized", "--scale-min", "0.9"),
                            self.sheet("--crop", "random-resized"))

    def test_mixing_shows_a_picture_in_its_neighbour_and_leaves_the_plain_column(self):
        for name, colour in (("a", 0), ("b", 255)):
            self.write(f"data/{name}/0.png", cli.png(24, 24, lambda x, y, c=colour: (c, c, c)))
        sheet = ("--images", 2, "--views", 1, "--crop", "none", "--hflip", 0)
        sheets = {"plain": (), "mixup": ("--mixup-alpha", 50), "cutmix": ("--cutmix-alpha", 50)}
        deviation = {}
        for name, more in sheets.items():
            self.write(f"{name}/class/sheet.jpg", self.sheet(*sheet, *more))
            part, = self.json_of("dataset", "stats", self.folder / name)["parts"]
            deviation[name] = part["std"][0]
        # Gray pictures vary less from the white around them than black and white ones; a box only changes places.
        self.assertLess(deviation["mixup"], 0.95 * deviation["plain"])
        self.assertAlmostEqual(deviation["cutmix"], deviation["plain"], places=1)
        self.assertEqual(self.sheet(*sheet, "--mixup-alpha", 0), (self.folder / "plain/class/sheet.jpg").read_bytes())

    def test_a_target_that_is_no_jpeg_and_pictures_that_cannot_be_read_are_errors(self):
        data = self.data({"a": 1})
        done = self.run_tool("dataset", "preview", data, "--output", self.folder / "x.gif", status=cli.USAGE)
        self.assert_error(done, ".jpg")
        self.write("data/a/000.png", b"x")
        done = self.run_tool("dataset", "preview", data, "--output", self.folder / "x.jpg", status=cli.CORRUPT)
        self.assertIn("can be decoded", done.stderr)
        self.assertFalse((self.folder / "x.jpg").exists())


class FromVideo(DataCase):
    def clip(self, source=("num-buffers=30",), muxer="avimux", name="clip.avi"):
        if not GST_LAUNCH:
            self.skipTest("not tested: there is no gst-launch-1.0")
        path = self.folder / name
        subprocess.run([GST_LAUNCH, "-q", "videotestsrc", *source, "!",
                        "video/x-raw,width=62,height=46,framerate=10/1", "!", "jpegenc", "!", muxer, "!", "filesink",
                        f"location={path}"], check=True, timeout=cli.HANG_GUARD_S)
        return path

    def frames(self, *more):
        out = self.folder / "out"
        answer = self.json_of("dataset", "from-video", self.clip(), "--label", "bars", "--output", out, *more)
        names = self.tree(out)
        self.assertEqual(answer["images"], len(names))
        shutil.rmtree(out)
        return [int(name.removeprefix("bars/clip-").removesuffix(".jpg")) for name in names]  # milliseconds

    def test_every_nth_frame_of_the_named_time_is_written(self):
        self.assertEqual(self.frames("--every", 10), [0, 1000, 2000])
        self.assertEqual(self.frames("--every", 4, "--from", 1.0, "--to", 2.0), [1000, 1400, 1800])
        self.assertEqual(len(self.frames()), 30)

    def frames_of(self, clip, name, *more):
        """File -> bytes, and the answer."""
        answer = self.json_of("dataset", "from-video", clip, "--label", "x", "--output", self.folder / name, *more)
        return {path.name: path.read_bytes() for path in (self.folder / name / "x").iterdir()}, answer

    def check_both_ways(self, clip, begin, end):
        """What is reached by a seek is what decoding all before it gives."""
        decoded, whole = self.frames_of(clip, "decoded", "--to", end)
        sought, part = self.frames_of(clip, "sought", "--from", begin, "--to", end)
        wanted = {name: data for name, data in decoded.items() if int(name[-13:-4]) >= 1000 * begin}
        self.assertGreater(len(wanted), 5)
        self.assertEqual(sorted(sought), sorted(wanted))
        self.assertEqual(sought, wanted)
        self.assertLess(part["decoded"], 0.6 * whole["decoded"])

    def test_a_seek_gives_the_frames_that_decoding_from_the_start_gives(self):
        self.check_both_ways(self.clip(MOVING), 7, 8)

    def test_a_clip_of_pictures_that_refer_to_others_is_sought_to_the_same_frames(self):
        clips = pathlib.Path(os.environ.get("CLIPS", "/usr/share/doc/opencv-doc"))
        packed = clips / "opencv4/html/cup.mp4.gz"
        if not packed.exists():
            self.skipTest(f"not tested: a seek among pictures that refer to others; there is no {packed}")
        clip = self.write("cup.mp4", gzip.decompress(packed.read_bytes()))
        self.check_both_ways(clip, 6, 7)

    def test_frames_without_times_are_numbered_and_cannot_be_chosen_by_time(self):
        clip = self.clip(muxer="multipartmux", name="clip.multipart")
        frames, _ = self.frames_of(clip, "out", "--every", 10)
        self.assertEqual(sorted(frames), [f"clip-frame-{number:06}.jpg" for number in (0, 10, 20)])
        done = self.run_tool("dataset", "from-video", clip, "--label", "x", "--output", self.folder / "none", "--from",
                             1, status=cli.INCOMPATIBLE)
        self.assert_error(done, "no times", "--from")

    def test_where_no_seek_leads_all_is_decoded(self):
        # There is nothing beyond the end.
        answer = self.json_of("dataset", "from-video", self.clip(), "--label", "x", "--output", self.folder / "none",
                              "--from", 100)
        self.assertEqual((answer["decoded"], answer["images"], answer["frames"]), (30, 0, 0))

    def test_the_folders_are_data_and_frames_of_one_clip_stay_together(self):
        out = self.folder / "out"
        for label in ("a", "b"):
            self.run_tool("dataset", "from-video", self.clip(), "--every", 5, "--label", label, "--output", out)
        part, = self.json_of("dataset", "stats", out)["parts"]
        self.assertEqual([row["images"] for row in part["classes"]], [6, 6])
        self.assertEqual((part["width"], part["height"]), ([62, 62, 62], [46, 46, 46]))
        self.assertEqual(len(self.json_of("dataset", "verify", out)["near-duplicates"]), 1)

    def test_another_clip_of_the_same_name_overwrites_nothing(self):
        out = ("--label", "x", "--output", self.folder / "out")
        self.run_tool("dataset", "from-video", self.clip(), *out)
        before = {name: (self.folder / "out" / name).read_bytes() for name in self.tree(self.folder / "out")}
        self.run_tool("dataset", "from-video", self.folder / "clip.avi", *out)  # the same again
        done = self.run_tool("dataset", "from-video", self.clip(("num-buffers=30", "pattern=ball")), *out,
                             status=cli.INCOMPATIBLE)
        self.assert_error(done, "clip-000000000.jpg", "--output")
        self.assertEqual({name: (self.folder / "out" / name).read_bytes() for name in before}, before)

    def test_what_is_no_video_is_an_error_that_names_it(self):
        out = ("--label", "x", "--output", self.folder / "out")
        for name, status in ((self.folder / "none.mp4", cli.NOT_FOUND), (self.folder, cli.IO)):
            self.assert_error(self.run_tool("dataset", "from-video", name, *out, status=status), str(name))
        clip = self.clip().read_bytes()
        for name, content in (("text.mp4", b"hello " * 100), ("header.avi", clip[:100]), ("empty.avi", b"")):
            path = self.write(name, content)
            done = subprocess.run([cli.FT_TOOL, "dataset", "from-video", path, *map(str, out)], capture_output=True, text=True,
                                  timeout=cli.HANG_GUARD_S)
            self.assertIn(done.returncode, (cli.CORRUPT, cli.INCOMPATIBLE), (name, done.stderr))
            self.assertIn(path, done.stderr)

    def test_missing_and_impossible_options_are_named(self):
        clip = self.clip()
        for more, part in ((("--output", "o"), "--label"), (("--label", "l"), "--output"),
                           (("--label", "a/b", "--output", "o"), "'a/b'"),
                           (("--label", "l", "--output", "o", "--from", 3, "--to", 2), "--to"),
                           (("--label", "l", "--output", "o", "--every", 0), "--every")):
            done = self.run_tool("dataset", "from-video", clip, *more, status=cli.USAGE, cwd=self.folder)
            self.assert_error(done, part)


class Usage(DataCase):
    def test_actions_arguments_and_options_that_are_wrong_are_named(self):
        data = self.data({"a": 1})
        for words, part in (((), "verify, stats, split, preview, from-video, from-store"), (("count", data), "'count'"),
                            (("stats",), "one DIR, not 0"), (("stats", data, data), "one DIR, not 2"),
                            (("stats", data, "--every", 2), "no option --every"),
                            (("verify", data, "--val-split", "0.5"), "no option --val-split"),
                            (("split", data, "--output", "x", "--val-split", "1"), "--val-split")):
            self.assert_error(self.run_tool("dataset", *words, status=cli.USAGE), part)


if __name__ == "__main__":
    cli.main()
