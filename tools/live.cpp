// SPDX-License-Identifier: MIT
// ft-tool live: a labelled recording, or a store that a pipeline left, through the same Learner as in resnetfinetune,
// without the elements and in one thread: the same bits every time.
#include <algorithm>
#include <array>
#include <filesystem>
#include <stop_token>
#include <thread>

#include "label_file.h"
#include "live/learner_options.h"
#include "live_judge.h"
#include "live_log.h"
#include "live_replay.h"
#include "model_source.h"
#include "temporary_copy.h"
#include "terminal.h"
#include "tool_options.h"
#include "verbs.h"

namespace resnetft::tool {
namespace {

constexpr std::array kOwnOptions = {
    Option{.name = "input", .type = OptionType::String, .default_text = "", .help = "The recording: a video file"},
    Option{.name = "labels",
           .type = OptionType::String,
           .default_text = "",
           .help = "What it shows when: lines of from-seconds,to-seconds,label[,use]"},
    Option{.name = "store",
           .type = OptionType::String,
           .default_text = "",
           .help = "Instead: the folder that replay-location named; one run on what it holds. It is only read"},
    Option{.name = "output",
           .type = OptionType::String,
           .default_text = "",
           .help = "Writes the last generation to this file, .safetensors or .pth"},
    Option{.name = "eval",
           .type = OptionType::String,
           .default_text = "",
           .help = "A folder with a folder of pictures for each class: each generation is judged on it"},
    Option{.name = "eval-interval",
           .type = OptionType::Double,
           .default_text = "1",
           .maximum = 1e6,
           .help = "But not more often than every so many seconds of the recording"},
};

// What only a pipeline has: where labels come from, whom a model is shared with, pictures that may be labelled later,
// inference that training must leave time to.
constexpr std::array<std::string_view, 7> kOfPipelines = {
    "model-instance-id",   "label",         "label-source", "candidate-ring-bytes",
    "candidate-ring-time", "finish-on-eos", "duty-cycle"};

// What one run on a store has no use for.
constexpr std::array<std::string_view, 7> kOfRecordings = {"eval",  "eval-interval", "sample-interval", "sample-policy",
                                                           "train", "instant-head",  "replay-location"};

constexpr std::array kAliases = {OptionAlias{"model-file", "base-model-file"}, OptionAlias{"lr", "learning-rate"},
                                 OptionAlias{"opt", "optimizer"}};

std::vector<Option> learner_rows() {
  std::vector<Option> rows;
  for (const Option& row : finetune_options())
    if (std::ranges::find(kOfPipelines, row.name) == kOfPipelines.end()) rows.push_back(row);
  return rows;
}

Error usage(const std::string& message, const std::string& hint) { return {ErrorCode::InvalidArgument, message, hint}; }

Status check_words(const CommandLine& line) {
  if (!line.arguments().empty()) return usage("unknown argument '" + line.arguments().front() + "'", "see --help");
  if (line.given("store") && (line.given("input") || line.given("labels")))
    return usage("--store and --input exclude each other", "a store has its own pictures and labels");
  for (const std::string_view name : kOfRecordings)
    if (line.given("store") && line.given(name))
      return usage("--" + std::string(name) + " has no meaning with --store", "a store is trained on once, as it is");
  if (!line.given("store") && !(line.given("input") && line.given("labels")))
    return usage("no recording is named", "pass --input VIDEO and --labels FILE, or --store FOLDER");
  if (!line.given("base-model-file")) return usage("no base is named", "pass --model-file FILE");
  return line.given("output") ? check_model_target(line.text("output")) : Status::success();
}

// Of what only a pipeline has, the defaults.
OptionReader reader_of(const CommandLine& line) {
  const auto text = [&line](std::string_view name) {
    const bool of_pipelines = std::ranges::find(kOfPipelines, name) != kOfPipelines.end();
    return of_pipelines ? std::string(find_option(finetune_options(), name)->default_text) : line.text(name);
  };
  return {.flag = [text](std::string_view name) { return text(name) == "true"; },
          .number =
              [text](std::string_view name) {
                const Option& row = *find_option(finetune_options(), name);
                return row.type == OptionType::Enum ? static_cast<uint64_t>(*option_value(row, text(name)))
                                                    : *parse_unsigned(text(name));
              },
          .real = [text](std::string_view name) { return *parse_real(text(name)); },
          .text = text};
}

// For one thread that waits for every run.
Result<LearnerSpec> spec_of(const CommandLine& line, std::shared_ptr<ModelHub> hub) {
  Result<LearnerSpec> spec = learner_spec_of(reader_of(line));
  if (!spec) return spec;
  spec->hub = std::move(hub);
  spec->in_caller = true;
  spec->rules.duty_cycle = 1;
  return spec;
}

// A signal handler may only set a flag; this ends a run that is under way.
std::jthread watch_for_signals(Learner& learner) {
  return std::jthread([&learner](std::stop_token end) {
    while (!end.stop_requested() && !interrupted()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (interrupted()) learner.cancel();
  });
}

struct Session {
  std::shared_ptr<ModelHub> hub = ModelHub::acquire("");
  LiveLog log;
  std::unique_ptr<Learner> learner;
};

Status open_learner(const LearnerSpec& spec, Session& session) {
  Result<std::unique_ptr<Learner>> learner =
      Learner::create(spec, [&session](const LearnerEvent& event) { session.log.take(event); });
  if (!learner) return learner.error();
  session.learner = std::move(*learner);
  return Status::success();
}

OrderedJson tally_to_json(const Tally& tally) {
  OrderedJson json{{"pictures", tally.pictures()}, {"correct", tally.correct()}, {"accuracy", tally.accuracy()}};
  json["classes"] = OrderedJson::array();
  for (const auto& [label, count] : tally.classes)
    json["classes"].push_back({{"label", label}, {"pictures", count.pictures}, {"correct", count.correct}});
  return json;
}

OrderedJson learner_to_json(const Session& session) {
  const LearnerStatus status = session.learner->status();
  OrderedJson json;
  json["generation"] = status.generation;
  json["runs"] = session.log.runs();
  json["samples"] = counts_to_json(status.store);
  json["gates"] = session.log.gates();
  json["generations"] = session.log.generations();
  return json;
}

std::string tally_text(const std::string& what, const Tally& tally) {
  return what + ": " + std::to_string(tally.correct()) + " of " + std::to_string(tally.pictures()) + ", " +
         std::to_string(tally.accuracy()).substr(0, 5) + "\n";
}

std::string text_of(const Session& session, const Replayed& replayed) {
  const StoreCounts counts = session.learner->status().store;
  std::string text = std::to_string(replayed.frames) + " frames, " + std::to_string(replayed.offered) + " offered, " +
                     std::to_string(counts.train) + " kept to learn from, " + std::to_string(counts.holdout) +
                     " held out, " + std::to_string(session.log.runs()) + " runs, generation " +
                     std::to_string(session.learner->status().generation) + "\n";
  if (replayed.judged.pictures() > 0) text += tally_text("right on frames to judge", replayed.judged);
  if (!replayed.folder.empty()) text += tally_text("right on the folder", replayed.folder.back().tally);
  return text;
}

Status save_if_asked(const CommandLine& line, const Session& session) {
  return line.given("output") ? session.learner->save(line.text("output")) : Status::success();
}

// What the learner could not do counts, though it went on.
Result<int> ending_of(const Session& session) {
  if (session.log.failure()) return *session.log.failure();
  return 0;
}

Result<DatasetPtr> open_eval(const CommandLine& line) {
  if (!line.given("eval")) return DatasetPtr();
  return open_image_folder(line.text("eval"));
}

bool train_once(Learner& learner) {
  const bool accepted = learner.train_now();
  learner.run_pending();
  return accepted;
}

Result<int> run_recording(const CommandLine& line, const LearnerSpec& spec, Session& session) {
  const std::string video = line.text("input");
  const Result<LabelSpans> labels = read_labels(line.text("labels"));
  if (!labels) return labels.error();
  const Result<DatasetPtr> eval = open_eval(line);
  if (!eval) return eval.error();
  if (Status status = open_learner(spec, session); !status) return status.error();
  const std::jthread watcher = watch_for_signals(*session.learner);
  LiveJudge judge(session.hub);
  const ReplayRules rules{.sample_interval = static_cast<unsigned>(line.number("sample-interval")),
                          .eval = *eval,
                          .eval_interval_ns = static_cast<uint64_t>(line.real("eval-interval") * 1e9),
                          .workers = worker_count(line)};
  const Result<Replayed> replayed = replay(video, *labels, rules, *session.learner, judge, session.log);
  if (!replayed) return replayed.error();
  if (spec.rules.train == TrainWhen::Manual) train_once(*session.learner);
  if (Status status = save_if_asked(line, session); !status) return status.error();

  OrderedJson json{{"input", video}, {"frames", replayed->frames}, {"offered", replayed->offered}};
  json.update(learner_to_json(session));
  json["judged"] = tally_to_json(replayed->judged);
  json["eval"] = OrderedJson::array();
  for (const FolderTally& folder : replayed->folder) {
    OrderedJson entry{{"running-time", folder.running_time_ns}, {"generation", folder.generation}};
    entry.update(tally_to_json(folder.tally));
    json["eval"].push_back(std::move(entry));
  }
  const std::string text = line.flag("json") ? json_text(json) + "\n" : text_of(session, *replayed);
  if (Status status = write_out(text); !status) return status.error();
  return ending_of(session);
}

// The store is copied, for opening one may mend its tail.
Result<int> run_store(const CommandLine& line, LearnerSpec spec, Session& session) {
  const Result<TemporaryCopy> copy = TemporaryCopy::of_folder(line.text("store"));
  if (!copy) return copy.error();
  spec.store.location = copy->path();
  spec.rules.train = TrainWhen::Manual;
  spec.rules.instant_head = InstantHeadKind::Off;  // the run begins with the model that is named
  if (Status status = open_learner(spec, session); !status) return copy->as_of_the_original(status.error());
  const std::jthread watcher = watch_for_signals(*session.learner);
  const bool accepted = train_once(*session.learner);
  if (interrupted()) return interrupted_error();
  if (!accepted || session.log.runs() == 0) {
    if (session.log.failure()) return *session.log.failure();
    return Error{ErrorCode::Incompatible, "store '" + line.text("store") + "': no run began",
                 session.log.not_trained()};
  }
  if (Status status = save_if_asked(line, session); !status) return status.error();
  OrderedJson json{{"store", line.text("store")}};
  json.update(learner_to_json(session));
  const std::string text = line.flag("json") ? json_text(json) + "\n" : text_of(session, {});
  if (Status status = write_out(text); !status) return status.error();
  return ending_of(session);
}

Result<int> run(const CommandLine& line) {
  if (Status status = check_words(line); !status) return status.error();
  Session session{.log = LiveLog(!line.flag("json")), .learner = nullptr};
  Result<LearnerSpec> spec = spec_of(line, session.hub);
  if (!spec) return spec.error();
  return line.given("store") ? run_store(line, std::move(*spec), session) : run_recording(line, *spec, session);
}

}  // namespace

Verb live_verb() {
  std::vector<Option> rows(kOwnOptions.begin(), kOwnOptions.end());
  const std::string_view first_of_learner = learner_rows().front().name;
  return {.name = "live",
          .arguments = "--input VIDEO --labels FILE | --store FOLDER",
          .summary = "Replays a labelled recording, or a store, through the learner of resnetfinetune",
          .description =
              "A label file has a line for each label, CSV (RFC 4180) in UTF-8, times in seconds of running time:\n"
              "  from-seconds,to-seconds,label[,use]\n"
              "use is learn (the default), or judge: then the learner is not told, and the model of that moment is "
              "judged.\nLines that begin with # are comments.\n\n"
              "  ft-tool live --input walk.mkv --labels walk.csv --model-file resnet18.safetensors --output "
              "walk.safetensors\n"
              "  ft-tool live --store samples/ --model-file resnet18.safetensors --output again.safetensors\n\n"
              "With --train manual there is one run, at the end. A run on a store begins with --model-file: name the "
              "generation\nthat the pipeline's run began with, and it gives the same bits.\n"
              "The same input gives the same bits, for runs are waited for. No frame is dropped.",
          .options = joined({rows, option_rows({"workers", "json", "verbose"}), learner_rows()}),
          .run = run,
          .groups = {{"The learner, as in resnetfinetune", first_of_learner}},
          .aliases = kAliases};
}

}  // namespace resnetft::tool
