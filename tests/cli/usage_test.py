# SPDX-License-Identifier: MIT
"""Help, version, wrong usage, and names that nobody knows."""
import cli

VERBS = ["predict", "eval", "train", "lr-find", "calibrate", "average", "dataset", "inspect", "convert", "benchmark",
         "live", "devices"]


class Usage(cli.Case):
    def test_version_is_one_line(self):
        self.assertRegex(self.run_tool("--version").stdout, r"^ft-tool \d+\.\d+\.\d+\n$")

    def test_help_names_every_verb(self):
        text = self.run_tool("--help").stdout
        for verb in VERBS:
            self.assertIn(f"\n  {verb} ", text)

    def test_each_verb_has_help_with_its_own_name(self):
        for verb in VERBS:
            done = self.run_tool(verb, "--help")
            self.assertIn(f"ft-tool {verb} ", done.stdout)
            self.assertIn("--json", done.stdout)
            self.assertEqual(done.stderr, "")

    def test_help_shows_defaults_and_choices_of_the_option_table(self):
        text = self.run_tool("predict", "--help").stdout
        self.assertRegex(text, r"--top-k=N .*\(default 5\)")
        self.assertRegex(text, r"--resize-mode=NAME .*auto, crop, stretch, letterbox \(default auto\)")

    def test_no_verb_and_an_unknown_verb_are_usage_errors(self):
        self.assert_error(self.run_tool(status=cli.USAGE), "--help")
        self.assert_error(self.run_tool("predicct", status=cli.USAGE), "predicct", *VERBS)

    def test_an_unknown_option_points_to_the_help(self):
        for verb in VERBS:
            done = self.run_tool(verb, "--no-such", status=cli.USAGE)
            self.assert_error(done, "--no-such", f"ft-tool {verb} --help")

    def test_a_switch_takes_true_and_false_and_nothing_else(self):
        picture, model = self.write("a.png", cli.plain_png(1, 2, 3)), self.model()
        predict = ("predict", "--model-file", model, "--device", "cpu", picture)
        shown = {value: self.run_tool(*predict, f"--logits={value}", "--format", "jsonl").stdout
                 for value in ("true", "false")}
        self.assertIn("logits", shown["true"])
        self.assertNotIn("logits", shown["false"])
        self.assert_error(self.run_tool(*predict, "--logits=maybe", status=cli.USAGE), "'maybe'", "true, false")

    def test_an_unknown_name_is_answered_with_the_possible_ones(self):
        model = self.model()
        for option, listed in (("arch", "resnet50, resnet101"), ("precision", "fp32, bf16"),
                               ("engine", "onednn, reference"), ("resize-mode", "crop, stretch, letterbox"),
                               ("device", "auto, cpu"), ("format", "text, jsonl, csv")):
            picture = self.write("a.png", cli.plain_png(1, 2, 3))
            done = self.run_tool("predict", "--model-file", model, f"--{option}", "nonsense", picture, status=cli.USAGE)
            self.assert_error(done, "'nonsense'", listed)

    def test_a_device_that_this_build_lacks_is_named(self):
        picture = self.write("a.png", cli.plain_png(1, 2, 3))
        done = self.run_tool("predict", "--model-file", self.model(), "--device", "cuda:0", picture, status=cli.DEVICE)
        self.assert_error(done, "cuda:0")

    def test_numbers_out_of_range_are_answered_with_the_range(self):
        for option, value, bounds in (("batch-size", "0", "from 1 to 1024"), ("threshold", "1.5", "from 0 to 1"),
                                      ("top-k", "-1", "whole number"), ("threads", "two", "whole number"),
                                      ("threshold", "nan", "number")):
            done = self.run_tool("predict", "--model-file", "m", f"--{option}={value}", "x", status=cli.USAGE)
            self.assert_error(done, f"--{option} '{value}'", bounds)

    def test_what_a_verb_needs_is_asked_for(self):
        self.assert_error(self.run_tool("predict", "x.png", status=cli.USAGE), "--model-file")
        self.assert_error(self.run_tool("predict", "--model-file", "m", status=cli.USAGE), "no picture")
        self.assert_error(self.run_tool("eval", "--model-file", "m", status=cli.USAGE), "--data")
        self.assert_error(self.run_tool("inspect", status=cli.USAGE), "FILE")
        self.assert_error(self.run_tool("convert", "one", status=cli.USAGE), "IN OUT")
        self.assert_error(self.run_tool("benchmark", status=cli.USAGE), "--arch")

    def test_json_and_format_exclude_each_other(self):
        done = self.run_tool("predict", "--json", "--format", "csv", "x", status=cli.USAGE)
        self.assert_error(done, "--json", "--format")

    def test_standard_output_that_is_full_is_an_io_error(self):
        with open("/dev/full", "w") as full:
            done = cli.subprocess.run([cli.FT_TOOL, "--help"], stdout=full, stderr=cli.subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, cli.IO)
        self.assertIn("standard output", done.stderr)


if __name__ == "__main__":
    cli.main()
