// SPDX-License-Identifier: MIT
// ft-tool VERB [OPTION...]: finds the verb, parses its options, runs it, and says in one line what went wrong.
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "command_line.h"
#include "resnetft/log.h"
#include "terminal.h"
#include "verbs.h"

namespace resnetft::tool {
namespace {

std::vector<Verb> verbs() {
  return {predict_verb(), eval_verb(),    train_verb(),   lr_find_verb(),   calibrate_verb(), average_verb(),
          dataset_verb(), inspect_verb(), convert_verb(), benchmark_verb(), live_verb(),      devices_verb()};
}

std::string overview() {
  std::string text =
      "Usage:\n  ft-tool VERB [OPTION…]\n\nClassifies pictures with a ResNet, trains and measures it, converts its "
      "weights.\n\n"
      "Verbs:\n";
  for (const Verb& verb : verbs()) {
    std::string name(verb.name);
    name.resize(12, ' ');
    text += "  " + name + std::string(verb.summary) + "\n";
  }
  return text +
         "\n  ft-tool VERB --help  shows a verb's options\n  ft-tool --version    shows the version\n\n"
         "Exit status: 0 done, 1 a check or a picture failed, 2 wrong usage, 3 and above the kind of error.\n";
}

Error unknown_verb(const std::string& name) {
  std::string names;
  for (const Verb& verb : verbs()) names += (names.empty() ? "" : ", ") + std::string(verb.name);
  return {ErrorCode::InvalidArgument, "unknown verb '" + name + "'", "possible are: " + names};
}

void send_log_to_standard_error(bool verbose) {
  set_log_sink([verbose](LogLevel level, std::string_view line) {
    if (level == LogLevel::Warning) say("warning: " + std::string(line));
    if (level == LogLevel::Info && verbose) say(line);
  });
}

Result<int> print(const std::string& text) {
  if (Status status = write_out(text); !status) return status.error();
  return 0;
}

Result<int> run_verb(const Verb& verb, int argc, char** argv) {
  const Result<CommandLine> line = CommandLine::parse(verb, argc, argv);
  if (!line) return line.error();
  if (line->help()) return print(help_text(verb));
  send_log_to_standard_error(line->flag("verbose"));
  return verb.run(*line);
}

Result<int> run(int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "";
  if (first == "--version") return print("ft-tool " RESNETFT_VERSION "\n");
  if (first == "--help" || first == "-h" || first == "help") return print(overview());
  if (first.empty()) return Error{ErrorCode::InvalidArgument, "no verb is named", "see ft-tool --help"};
  for (const Verb& verb : verbs())
    if (verb.name == first) return run_verb(verb, argc - 1, argv + 1);
  return unknown_verb(first);
}

// The library throws nothing; the standard library may, in the tool's own code.
Result<int> run_guarded(int argc, char** argv) try { return run(argc, argv); } catch (const std::bad_alloc&) {
  return Error{ErrorCode::OutOfMemory, "memory ran out", "use a smaller --batch-size, fewer --workers"};
} catch (const std::exception& exception) {
  return Error{ErrorCode::Internal, std::string("unexpected: ") + exception.what(), ""};
}

int exit_status_of(const Result<int>& result) {
  if (result) return *result;
  if (!result.error().message.empty()) say(to_string(result.error()));
  return exit_status(result.error().code);
}

}  // namespace
}  // namespace resnetft::tool

int main(int argc, char** argv) {
  using namespace resnetft;
  tool::catch_signals();
  tool::silence_libraries();
  Result<int> result = tool::run_guarded(argc, argv);
  if (Status flushed = tool::flush_out(); !flushed && result) result = flushed.error();
  set_log_sink({});
  return tool::exit_status_of(result);
}
