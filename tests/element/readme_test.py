#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that the README's property table is what the element has. `readme_test.py --print` prints the table."""
import pathlib
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import tap  # noqa: E402

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GObject, Gst  # noqa: E402

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


TYPES = {"gchararray": "string", "gboolean": "boolean", "guint": "uint", "guint64": "uint64", "gdouble": "double",
         "GStrv": "strv", "GstStructure": "GstStructure"}


def type_text(spec):
    if spec.value_type.is_a(GObject.TYPE_ENUM):
        return "enum: " + ", ".join(value.value_nick for value in spec.enum_class.__enum_values__.values())
    if spec.value_type.is_a(GObject.TYPE_FLAGS):
        return "flags: " + ", ".join(value.first_value_nick for value in spec.flags_class.__flags_values__.values())
    return TYPES[spec.value_type.name]


def default_text(spec):
    value = spec.default_value
    if spec.value_type.is_a(GObject.TYPE_ENUM):
        return value.value_nick
    if spec.value_type.is_a(GObject.TYPE_FLAGS):
        return "+".join(value.value_nicks)
    if spec.value_type.name in ("GStrv", "GstStructure") or value is None:
        return ""
    if spec.value_type.name == "gboolean":
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def access_text(spec):
    words = []
    if not spec.flags & GObject.ParamFlags.WRITABLE:
        words.append("read-only")
    if int(spec.flags) & Gst.PARAM_MUTABLE_PLAYING:
        words.append("playing")
    if int(spec.flags) & Gst.PARAM_CONTROLLABLE:
        words.append("controllable")
    return ", ".join(words)


def table(element_name):
    element = Gst.ElementFactory.make(element_name)
    rows = ["| property | type | default | may change | meaning |", "| --- | --- | --- | --- | --- |"]
    for spec in element.list_properties():
        if spec.owner_type.name.startswith("GstResnet"):
            rows.append(f"| `{spec.name}` | {type_text(spec)} | {default_text(spec)} | {access_text(spec)} "
                        f"| {spec.blurb.replace('|', '/')} |")
    return "\n".join(rows)


class Readme(unittest.TestCase):
    def test_the_property_table_is_what_the_element_has(self):
        self.assertIn(table("resnetclassify"), README.read_text(encoding="utf-8"))


if __name__ == "__main__":
    Gst.init(None)
    if "--print" in sys.argv:
        print(table("resnetclassify"))
    else:
        tap.main()
