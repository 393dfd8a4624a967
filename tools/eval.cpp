// SPDX-License-Identifier: MIT
// ft-tool eval: how well a model names the pictures of a labelled folder.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "base/atomic_file.h"
#include "data/dataset.h"
#include "data/decode_ahead.h"
#include "infer/judge.h"
#include "json_text.h"
#include "judged_data.h"
#include "mistakes.h"
#include "model_source.h"
#include "terminal.h"
#include "tool_options.h"
#include "train/report.h"
#include "verbs.h"

namespace resnetft::tool {
namespace {

// What one run counts.
class Evaluator {
 public:
  // `data` has the model's classes.
  Evaluator(Classifier& classifier, const Dataset& data)
      : classifier_(classifier), data_(data), meter_(data.classes().size()) {}

  // The pictures of the data from `first` on.
  Status add(const std::vector<ReadPicture>& pictures, size_t first) {
    std::vector<ImageView> views;
    for (const ReadPicture& picture : pictures)
      if (picture.image) views.push_back(picture.image->view);
    const Result<std::vector<Judgement>> judgements = classifier_.classify(views, 1);
    if (!judgements) return judgements.error();
    size_t next = 0;
    for (size_t i = 0; i < pictures.size(); ++i) {
      if (pictures[i].image) {
        add_one(pictures[i].path, data_.class_id(first + i), (*judgements)[next++]);
      } else {
        ++failed_;
        say(to_string(pictures[i].image.error()));
      }
    }
    return Status::success();
  }

  ClassificationScores scores() const { return meter_.value(); }
  const std::vector<std::string>& labels() const { return data_.classes(); }
  const std::vector<Mistake>& mistakes() const { return mistakes_; }
  int64_t failed() const { return failed_; }

 private:
  void add_one(const std::string& path, size_t truth, const Judgement& judgement) {
    meter_.add(truth, confidences(judgement.logits, classifier_.card().temperature));
    const ScoredClass& best = judgement.top.front();
    const size_t named = static_cast<size_t>(best.label_id);
    if (named != truth) keep_worst(mistakes_, {path, labels()[truth], labels()[named], best.confidence, ""});
  }

  Classifier& classifier_;
  const Dataset& data_;
  ClassificationMeter meter_;
  std::vector<Mistake> mistakes_;
  int64_t failed_ = 0;
};

Status run_all(const Dataset& data, Evaluator& evaluator, const CommandLine& line) {
  const size_t batch_size = static_cast<size_t>(line.number("batch-size"));
  DecodeAhead pictures(data, worker_count(line), 2 * batch_size);
  Progress progress("eval", static_cast<int64_t>(data.size()));
  for (size_t first = 0; first < data.size(); first += batch_size) {
    if (interrupted()) return interrupted_error();
    const std::vector<ReadPicture> batch = pictures.next_batch(batch_size, true);
    if (Status status = evaluator.add(batch, first); !status) return status;
    progress.advance(static_cast<int64_t>(batch.size()));
  }
  return Status::success();
}

Evaluation evaluation_of(const Evaluator& evaluator, const Classifier& classifier, const CommandLine& line,
                         double images_per_second) {
  const Model& model = classifier.snapshot().model();
  Evaluation evaluation{
      model.card().architecture + " on " + line.text("data"), evaluator.labels(), evaluator.scores(), {}, {}};
  char speed[40];
  std::snprintf(speed, sizeof speed, "%.1f images/s", images_per_second);
  evaluation.facts = {
      {"model", model.path()},
      {"architecture", model.card().architecture},
      {"sha256", model.sha256()},
      {"engine", classifier.engine_name() + ", " + classifier.precision_name() + ", " + classifier.device_name()},
      {"images", std::to_string(evaluation.scores.images) + ", " + std::to_string(evaluator.failed()) + " failed"},
      {"speed", speed}};
  return evaluation;
}

std::string to_json(const Evaluation& evaluation, const Evaluator& evaluator, const Classifier& classifier,
                    double images_per_second) {
  const Model& model = classifier.snapshot().model();
  OrderedJson rest;
  rest["failed"] = evaluator.failed();
  rest["images-per-second"] = images_per_second;
  rest["model"] = {{"arch", model.card().architecture}, {"sha256", model.sha256()}};
  rest["device"] = classifier.device_name();
  rest["engine"] = classifier.engine_name();
  rest["precision"] = classifier.precision_name();
  return std::string("{") + scores_to_json_members(evaluation.scores, evaluation.labels) + "," +
         json_text(rest).substr(1) + "\n";
}

Status write_report(Evaluation evaluation, const Evaluator& evaluator, const std::string& path) {
  evaluation.mistakes = evaluator.mistakes();
  for (Mistake& mistake : evaluation.mistakes)
    if (const Result<DecodedImage> image = read_image_file(mistake.path); image) mistake.jpeg = thumbnail(image->view);
  return write_file_atomically(path, evaluation_to_html(evaluation));
}

// Before the pictures are judged, not an hour later.
Status check_report_target(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path folder = fs::path(path).parent_path();
  if (fs::is_directory(path, ignored)) return Error{ErrorCode::Io, "report '" + path + "' is a folder", "name a file"};
  if (!folder.empty() && !fs::is_directory(folder, ignored))
    return Error{ErrorCode::Io, "report '" + path + "': there is no folder '" + folder.string() + "'", "make it first"};
  return Status::success();
}

Result<int> run(const CommandLine& line) {
  if (line.given("report"))
    if (Status status = check_report_target(line.text("report")); !status) return status.error();
  if (!line.given("data")) return Error{ErrorCode::InvalidArgument, "no data is named", "pass --data FOLDER"};
  if (!line.arguments().empty())
    return Error{ErrorCode::InvalidArgument, "unexpected '" + line.arguments().front() + "'", "pass --data FOLDER"};
  Result<std::shared_ptr<const Model>> model = open_model(line);
  if (!model) return model.error();
  const Result<DatasetPtr> data = open_labelled_folder(line.text("data"), (*model)->card());
  if (!data) return data.error();
  const Result<std::unique_ptr<Classifier>> classifier = open_classifier(std::move(*model), line);
  if (!classifier) return classifier.error();

  Evaluator evaluator(**classifier, **data);
  const auto start = std::chrono::steady_clock::now();
  if (Status status = run_all(**data, evaluator, line); !status) return status.error();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double images_per_second = static_cast<double>((*data)->size()) / seconds;

  const Evaluation evaluation = evaluation_of(evaluator, **classifier, line, images_per_second);
  const std::string text = line.flag("json") ? to_json(evaluation, evaluator, **classifier, images_per_second)
                                             : evaluation_to_text(evaluation);
  if (Status status = write_out(text); !status) return status.error();
  if (line.given("report"))
    if (Status status = write_report(evaluation, evaluator, line.text("report")); !status) return status.error();
  return evaluator.failed() == 0 ? 0 : 1;
}

}  // namespace

Verb eval_verb() {
  return {
      "eval",
      "--data FOLDER",
      "Measures a model on a labelled folder",
      "FOLDER holds a folder of pictures for each class, named as the model's labels.\n"
      "A picture that cannot be read is counted and named; the exit status is then 1.\n\n"
      "  ft-tool eval --model-file birds.safetensors --data test/ --report birds.html",
      joined({model_options(), classifier_options(), option_rows({"data", "report", "json", "workers", "verbose"})}),
      run};
}

}  // namespace resnetft::tool
