#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes corpus/image_file: a small picture of every format and kind that the readers of picture files know. Needs Pillow
and NumPy."""
import pathlib
import struct

import numpy
from PIL import Image

FOLDER = pathlib.Path(__file__).parent / "corpus/image_file"


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    values = numpy.random.RandomState(1).randint(0, 256, (7, 9, 4)).astype("uint8")
    rgb, rgba, gray = Image.fromarray(values[..., :3]), Image.fromarray(values), Image.fromarray(values[..., 0])
    exif = Image.Exif()
    exif[0x0112] = 6

    def save(image, name, **options):
        image.save(FOLDER / name, **options)

    save(rgb, "color.jpg", exif=exif, quality=60)
    save(rgb, "progressive.jpg", progressive=True, quality=60)
    save(rgb.convert("CMYK"), "cmyk.jpg", quality=60)
    save(gray, "gray.jpg", quality=60)
    save(rgb, "color.png", exif=exif)
    save(rgba, "alpha.png")
    save(rgb.quantize(5), "palette.png")
    save(Image.fromarray(values[..., 0].astype("uint16") * 257), "gray16.png")
    save(gray.point(lambda v: 255 * (v > 99)).convert("1"), "bits.png")
    save(rgb, "color.bmp")
    save(rgb.quantize(5), "palette.bmp")
    save(rgb, "color.ppm")
    save(gray, "gray.pgm")
    save(gray.convert("1"), "bits.pbm")
    (FOLDER / "text.ppm").write_text("P3 # comment\n2 1 255\n1 2 3  4 5 6\n")
    save(rgb, "color.tiff")
    save(rgb, "lzw.tiff", compression="tiff_lzw")
    save(rgb, "jpeg.tiff", compression="jpeg")
    save(gray.convert("1"), "fax.tiff", compression="group4")
    save(rgb, "turned.tiff", tiffinfo={274: 8})
    save(rgb, "lossy.webp", exif=exif)
    save(rgba, "lossless.webp", lossless=True)
    save(rgb, "color.gif", save_all=True, append_images=[gray.convert("RGB")])
    # Planar RGB of 16 bits, big-endian: Pillow does not write it.
    tags = [(256, 2), (257, 1), (258, 16), (259, 1), (262, 2), (273, 122), (277, 3), (278, 1), (279, 12)]
    entries = b"".join(struct.pack(">HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    (FOLDER / "wide.tiff").write_bytes(
        b"MM\0*\0\0\0\x08" + struct.pack(">H", len(tags)) + entries + struct.pack(">I", 0) + bytes(range(12)))


if __name__ == "__main__":
    main()
