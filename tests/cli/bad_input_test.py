# SPDX-License-Identifier: MIT
"""Every odd picture gives a result or an error line, and the run goes on."""
import json
import os
import struct
import zlib

import cli


def huge_png():
    data = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(data)) + b"IHDR" + data + struct.pack(">I", zlib.crc32(b"IHDR" + data))
    return b"\x89PNG\r\n\x1a\n" + chunk


def animated_gif():
    frame = b"!\xf9\x04\0\x0a\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0"
    return b"GIF89a\x01\0\x01\0\x80\0\0\xff\0\0\0\0\0" + frame * 2 + b";"


class BadPictures(cli.Case):
    def test_each_gives_a_result_or_an_error_line(self):
        golden = cli.GOLDEN_PICTURES
        jpeg = (golden / "colour.jpg").read_bytes()
        (self.folder / "folder.jpg").mkdir()
        self.write("folder.jpg/inner.png", cli.plain_png(1, 1, 1))
        good, corrupt, missing = None, "corrupt-file", "not-found"
        tiff = (cli.ROOT / "tests/fuzz/corpus/image_file/lzw.tiff").read_bytes()
        table = [
            (self.write("cut.tiff", tiff[:len(tiff) // 2]), corrupt),
            (self.write("letters.ppm", "P3 2 2 255\n1 2 x y\n"), corrupt),
            (self.write("empty.jpg", b""), corrupt),
            (self.write("cut.jpg", jpeg[:len(jpeg) // 2]), corrupt),
            (self.write("cut.png", cli.plain_png(1, 2, 3)[:-20]), corrupt),
            (self.write("text.jpg", b"hello, I am a text\n"), corrupt),
            (self.write("huge.png", huge_png()), corrupt),
            (self.write("1x1.png", cli.png(1, 1, lambda x, y: (9, 9, 9))), good),
            (self.write("1x10000.png", cli.png(1, 10000, lambda x, y: (y % 256, 9, 9))), good),
            (self.write("10000x1.png", cli.png(10000, 1, lambda x, y: (x % 256, 9, 9))), good),
            (self.write("png named.jpg", cli.plain_png(3, 3, 3)), good),
            (golden / "gray16.png", good),
            (golden / "cmyk.jpg", good),
            (golden / "palette.png", good),
            (golden / "rgba.png", good),
            (self.folder / "missing.jpg", missing),
            (self.write("new\nline ü.png", cli.plain_png(4, 4, 4)), good),
        ]
        done = self.run_tool("predict", "--format", "jsonl", "--model-file", self.model(), *[path for path, _ in table],
                             status=cli.CHECK_FAILED)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([line["path"] for line in lines], [str(path) for path, _ in table])
        for line, (path, code) in zip(lines, table):
            self.assertEqual(line.get("error", {}).get("code"), code, line)
            if code:
                self.assertIn(os.path.basename(path), line["error"]["message"])
        self.assertEqual(done.stderr, "")

    def test_a_folder_named_as_a_picture_is_searched_and_an_unreadable_link_is_an_error(self):
        (self.folder / "folder.jpg").mkdir()
        inner = self.write("folder.jpg/inner.png", cli.plain_png(1, 1, 1))
        os.symlink(self.folder / "gone.png", self.folder / "folder.jpg/link.png")
        answer = self.json_of("predict", "--model-file", self.model(), self.folder / "folder.jpg", status=1)
        self.assertEqual(answer["results"][0]["path"], inner)
        self.assertEqual(answer["results"][1]["error"]["code"], "not-found")

    def test_a_folder_on_standard_input_is_an_error_line(self):
        (self.folder / "x.jpg").mkdir()
        answer = self.json_of("predict", "--model-file", self.model(), "-", input=f"{self.folder}/x.jpg\n", status=1)
        self.assertEqual(answer["results"][0]["error"]["code"], "io")

    def test_an_animated_gif_is_read_or_told_what_reads_it(self):
        path = self.write("a.gif", animated_gif())
        done = cli.subprocess.run([cli.FT_TOOL, "predict", "--json", "--model-file", self.model(), path],
                                  capture_output=True, text=True)
        [result] = json.loads(done.stdout)["results"]
        self.assertTrue("top" in result or "OpenCV" in result["error"]["message"], result)

    @cli.unittest.skipIf(os.geteuid() == 0, "not tested: root reads files without permission")
    def test_a_picture_without_permission_is_an_io_error(self):
        path = self.write("secret.png", cli.plain_png(1, 1, 1))
        os.chmod(path, 0)
        answer = self.json_of("predict", "--model-file", self.model(), path, status=1)
        self.assertEqual(answer["results"][0]["error"]["code"], "io")

    def test_a_fifo_does_not_block(self):
        os.mkfifo(self.folder / "pipe.jpg")
        answer = self.json_of("predict", "--model-file", self.model(), self.folder / "pipe.jpg", status=1,
                              timeout=cli.HANG_GUARD_S)
        self.assertEqual(answer["results"][0]["error"]["code"], "io")


if __name__ == "__main__":
    cli.main()
