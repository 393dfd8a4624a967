#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes corpus/store: small store files, written from the description of the format in lib/live/store_record.h, so that
they also hold the reader to it."""
import pathlib
import struct

FOLDER = pathlib.Path(__file__).parent / "corpus/store"
FEATURE, PICTURE = 1, 2


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def header(version=1):
    begin = b"resnetft store\r\n" + struct.pack("<I", version)
    return begin + struct.pack("<I", crc32c(begin))


def text(value):
    data = value.encode()
    return struct.pack("<I", len(data)) + data


def listed(items):
    return struct.pack("<I", len(items)) + b"".join(items)


def block(timeline, k, label, side, number):
    return text(timeline) + struct.pack("<Q", k) + text(label) + struct.pack("<BBQQQ", side, 1, k, k + 5, number)


def sample(number, label, feature=None, picture=None):
    data = struct.pack("<Q", number) + text("camera") + struct.pack("<QQI", 1, number * 500, 0)
    data += text("camera") + struct.pack("<Q", number * 500) + text(label) + struct.pack("<BBQ", 2, 0, 1)
    data += struct.pack("<B", (FEATURE if feature else 0) | (PICTURE if picture else 0))
    if feature:
        data += text("trunk") + struct.pack(f"<I{len(feature)}f", len(feature), *feature)
    if picture:
        width, height = picture
        data += struct.pack("<ii", width, height) + bytes(i % 251 for i in range(3 * width * height))
    return data


def record(last_id, seen=(), blocks=(), labels=(), gone=(), stored=None):
    payload = struct.pack("<8Q", last_id, 0, 0, last_id, 2, last_id, len(gone), 0)
    payload += listed([text(name) + struct.pack("<Q", count) for name, count in seen])
    payload += listed(list(blocks)) + listed([text(label) for label in labels])
    payload += listed([struct.pack("<Q", number) for number in gone])
    payload += b"\1" + stored if stored else b"\0"
    length = struct.pack("<I", len(payload))
    return length + struct.pack("<I", crc32c(length + payload)) + payload


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    first = record(1, [("a", 1)], [block("camera", 0, "a", 0, 1)], ["a"], (), sample(1, "a", (0.5, -2.0)))
    picture = record(2, [("a", 2)], [block("camera", 3, "a", 1, 2)], (), (), sample(2, "a", (1.0, 1.0), (4, 3)))
    corrected = record(2, [("ü b", 1), ("a", 1)], (), ["ü b"], (), sample(1, "ü b"))
    evicted = record(3, [("a", 2)], [block("camera", 3, "a", 1, 2)], (), [1, 2], sample(3, "a", (3.0,)))
    left_out = record(3, (), [block("camera", 4, "a", 0, 3)])
    (FOLDER / "empty.resnetft").write_bytes(header())
    (FOLDER / "features.resnetft").write_bytes(header() + first + corrected + left_out)
    (FOLDER / "pictures.resnetft").write_bytes(header() + first + picture + evicted)
    (FOLDER / "cut.resnetft").write_bytes((header() + first + picture)[:-7])
    (FOLDER / "version2.resnetft").write_bytes(header(2) + first)


if __name__ == "__main__":
    main()
