#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that the README says what the elements have, and that its examples do what they say. `--print` prints the
property tables. Arguments: a colour model's file, the folder of libresnetft.so."""
import functools
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import tap  # noqa: E402

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GObject, Gst  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
ELEMENTS = ["resnetclassify", "resnetfinetune"]  # in the README's order

TYPES = {"gchararray": "string", "gboolean": "boolean", "guint": "uint", "guint64": "uint64", "gdouble": "double",
         "GStrv": "strv", "GstStructure": "GstStructure"}


# What PyGObject says of enumerations changes from version to version; gst-inspect's text does not.
@functools.cache
def inspection(element_name):
    return subprocess.run(["gst-inspect-1.0", element_name], capture_output=True, text=True).stdout


def inspected(spec):
    """The names of a property's values, and of its default."""
    text = inspection(spec.owner_type.name.removeprefix("Gst").lower())
    block = re.search(rf"^  {spec.name} +: (.*?)(?=^  \S|^\S)", text, re.M | re.S).group(1)
    return re.findall(r"^ +\((?:0x)?[0-9a-f]+\): (\S+)", block, re.M), re.search(r'Default: \w+, "(.*)"', block).group(1)


def has_names(spec):
    return spec.value_type.is_a(GObject.TYPE_ENUM) or spec.value_type.is_a(GObject.TYPE_FLAGS)


def type_text(spec):
    if has_names(spec):
        kind = "enum" if spec.value_type.is_a(GObject.TYPE_ENUM) else "flags"
        return f"{kind}: " + ", ".join(inspected(spec)[0])
    return TYPES[spec.value_type.name]


def default_text(spec):
    if has_names(spec):
        names, default = inspected(spec)
        return "+".join(name for name in names if name in default.split("+"))
    if spec.value_type.name in ("GStrv", "GstStructure"):
        return ""
    value = spec.default_value
    if value is None:
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


def example(language):
    return re.search(rf"^```{language}\n(.*?)^```$", README.read_text(encoding="utf-8"), re.M | re.S).group(1)


class Readme(unittest.TestCase):
    def test_the_python_example_hears_the_label(self):
        done = subprocess.run([sys.executable, "-c", example("python"), MODEL], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^0 red 0\.99\d+\n$")

    def test_the_cpp_example_compiles_and_names_three_classes(self):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder, "program")
            program.with_suffix(".cpp").write_text(example("cpp"))
            done = subprocess.run(["c++", "-std=c++20", "-Wall", "-Wextra", "-Werror", f"{program}.cpp", "-o", program,
                                   f"-I{ROOT}/lib/include", f"-L{LIBRARY}", "-lresnetft", f"-Wl,-rpath,{LIBRARY}"],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            done = subprocess.run([program, MODEL], capture_output=True, text=True)
            self.assertRegex(done.stdout, r"^((red|green|blue) 0\.\d{4}\n){3}$", done.stderr)
            done = subprocess.run([program, "none.safetensors"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn("none.safetensors", done.stderr)

    def test_each_property_table_is_what_the_element_has(self):
        readme = README.read_text(encoding="utf-8").splitlines()
        header = table(ELEMENTS[0]).splitlines()[0]
        starts = [number for number, line in enumerate(readme) if line == header]
        self.assertEqual(len(starts), len(ELEMENTS))
        for element_name, start in zip(ELEMENTS, starts):
            rows = table(element_name).splitlines()
            self.assertEqual(readme[start:start + len(rows) + 1], rows + [""])

    def test_every_action_and_message_of_the_learner_is_named(self):
        section = re.search(r"^## Learn while it plays$(.*?)^## ", README.read_text(encoding="utf-8"), re.M | re.S)
        element_type = Gst.ElementFactory.make("resnetfinetune").__gtype__
        events = re.findall(r'event_of\("([a-z-]+)"\)', (ROOT / "plugin/learner_writer.cpp").read_text(encoding="utf-8"))
        self.assertGreaterEqual(len(events), 11)
        for name in [*GObject.signal_list_names(element_type), *events]:
            self.assertIn(f"`{name}", section.group(1))

    def test_the_line_that_learns_plays(self):
        line = re.search(r"^gst-launch-1.0 ((?:[^\n]*\\\n)*[^\n]*resnetfinetune(?:[^\n]*\\\n)*[^\n]*)$",
                         README.read_text(encoding="utf-8"), re.M).group(1).replace("\\\n", " ")
        line = re.sub(r"^.*? ! (?=videoconvert)", "videotestsrc num-buffers=30 ! ", line.removeprefix("-m "))
        # Thirty frames pass faster than an idle thread need have learned from one.
        line = re.sub(r"base-model-file=\S+", f"finish-on-eos=true base-model-file={MODEL}", line).replace("autovideosink", "fakesink")
        done = subprocess.run(["gst-launch-1.0", "-m", *shlex.split(line)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("event=(string)sample-stored", done.stdout)


if __name__ == "__main__":
    Gst.init(None)
    if "--print" in sys.argv:
        print(*map(table, ELEMENTS), sep="\n\n")
    else:
        MODEL, LIBRARY = (os.path.abspath(argument) for argument in sys.argv[1:3])
        tap.main()
