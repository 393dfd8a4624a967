// SPDX-License-Identifier: MIT
// ft-tool predict: pictures in, the most likely classes of each out, in the order of the pictures.
#include <unistd.h>

#include "data/decode_ahead.h"
#include "json_text.h"
#include "model_source.h"
#include "path_source.h"
#include "prediction.h"
#include "resnetft/smoother.h"
#include "terminal.h"
#include "tool_options.h"
#include "verbs.h"

namespace resnetft::tool {
namespace {

// Writes predictions as they come, or with --json one object at the end.
class PredictionWriter {
 public:
  explicit PredictionWriter(const CommandLine& line)
      : format_(static_cast<OutputFormat>(line.choice("format"))),
        one_object_(line.flag("json")),
        parts_{line.flag("logits"), line.flag("embedding")} {}

  Status begin() {
    if (one_object_) return write_out(R"({"results":[)");
    return format_ == OutputFormat::Csv ? write_out(csv_header(parts_)) : Status::success();
  }

  Status write(const Prediction& prediction) {
    ++images_;
    failed_ += !prediction.judgement.ok();
    if (one_object_)
      return write_out(std::string(images_ > 1 ? "," : "").append(prediction_to_json(prediction, parts_)));
    if (format_ == OutputFormat::Jsonl) return write_out(prediction_to_json(prediction, parts_) + "\n");
    if (format_ == OutputFormat::Csv) return write_out(prediction_to_csv(prediction, parts_));
    return write_out(prediction_to_text(prediction, parts_));
  }

  Status end() {
    if (!one_object_) return flush_out();
    return write_out("],\"images\":" + std::to_string(images_) + ",\"failed\":" + std::to_string(failed_) + "}\n");
  }

  int64_t failed() const { return failed_; }

 private:
  OutputFormat format_;
  bool one_object_;
  PredictionParts parts_;
  int64_t images_ = 0;
  int64_t failed_ = 0;
};

// Classifies and, as the elements do, puts the unknown label first where the best class is below the threshold.
class Predictor {
 public:
  Predictor(Classifier& classifier, const CommandLine& line) : classifier_(classifier) {
    rule_.threshold = line.real("threshold");
    rule_.unknown_label = line.text("unknown-label");
    rule_.top_k = static_cast<size_t>(line.number("top-k"));
  }

  std::vector<Prediction> predict(std::vector<ReadPicture> pictures) {
    std::vector<ImageView> views;
    for (const ReadPicture& picture : pictures)
      if (picture.image) views.push_back(picture.image->view);
    const Result<std::vector<Judgement>> judgements = classifier_.classify(views, wanted_classes());
    std::vector<Prediction> predictions;
    size_t next = 0;
    for (ReadPicture& picture : pictures) {
      if (!picture.image) {
        predictions.push_back({std::move(picture.path), picture.image.error()});
      } else if (judgements) {
        predictions.push_back({std::move(picture.path), above_threshold((*judgements)[next++])});
      } else {
        predictions.push_back({std::move(picture.path), predict_alone(*picture.image)});
      }
    }
    return predictions;
  }

 private:
  // The threshold's rule looks at all classes.
  size_t wanted_classes() const { return rule_.threshold > 0 ? 0 : rule_.top_k; }

  Judgement above_threshold(const Judgement& judgement) const {
    return rule_.threshold > 0 ? Smoother().apply(rule_, judgement, 0) : judgement;
  }

  // One bad picture must not spoil its batch.
  Result<Judgement> predict_alone(const DecodedImage& image) {
    const Result<std::vector<Judgement>> judgements = classifier_.classify({&image.view, 1}, wanted_classes());
    if (!judgements) return judgements.error();
    return above_threshold(judgements->front());
  }

  Classifier& classifier_;
  SmootherRule rule_;
};

// Ends the wait for standard input before the decoders, who wait for it, are joined.
struct StopAtExit {
  PathSource& source;
  ~StopAtExit() { source.stop(); }
};

Result<int> run(const CommandLine& line) {
  if (line.arguments().empty())
    return Error{ErrorCode::InvalidArgument, "no picture is named", "name files, folders, or - for paths on stdin"};
  if (line.flag("json") && line.given("format"))
    return Error{ErrorCode::InvalidArgument, "--json and --format exclude each other",
                 "--json gives one object, --format jsonl one a line"};
  Result<PathSource> source = PathSource::open(line.arguments());
  if (!source) return source.error();
  Result<std::shared_ptr<const Model>> model = open_model(line);
  if (!model) return model.error();
  const Result<std::unique_ptr<Classifier>> classifier = open_classifier(std::move(*model), line);
  if (!classifier) return classifier.error();

  const size_t batch_size = static_cast<size_t>(line.number("batch-size"));
  const bool streaming = source->reads_standard_input();
  Predictor predictor(**classifier, line);
  PredictionWriter writer(line);
  Progress progress("pictures", streaming || isatty(STDOUT_FILENO) ? 0 : static_cast<int64_t>(source->count()));
  DecodeAhead pictures([&] { return source->next(); }, worker_count(line), 2 * batch_size);
  const StopAtExit stop{*source};

  if (Status status = writer.begin(); !status) return status.error();
  while (!interrupted()) {
    std::vector<ReadPicture> batch = pictures.next_batch(batch_size, !streaming);
    if (batch.empty()) break;
    const int64_t count = static_cast<int64_t>(batch.size());
    for (const Prediction& prediction : predictor.predict(std::move(batch)))
      if (Status status = writer.write(prediction); !status) return status.error();
    if (streaming)
      if (Status status = flush_out(); !status) return status.error();
    if (!isatty(STDOUT_FILENO)) progress.advance(count);
  }
  if (Status status = writer.end(); !status) return status.error();
  if (interrupted()) return interrupted_error();
  return writer.failed() == 0 ? 0 : 1;
}

}  // namespace

Verb predict_verb() {
  return {"predict",
          "PATH...",
          "Names the most likely classes of each picture",
          "PATH is a picture, a folder (searched in depth, sorted) or - for a path a line on the standard input.\n"
          "A picture that cannot be read gives an error line; the others go on, and the exit status is 1.\n\n"
          "  ft-tool predict --model-file birds.safetensors --top-k 3 photos/\n"
          "  find /media -name '*.jpg' | ft-tool predict --model-file birds.safetensors --format jsonl -",
          joined({model_options(),
                  classifier_options(),
                  {with_default("top-k", "5")},
                  option_rows(
                      {"threshold", "unknown-label", "format", "json", "logits", "embedding", "workers", "verbose"})}),
          run};
}

}  // namespace resnetft::tool
