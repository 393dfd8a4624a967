// SPDX-License-Identifier: MIT
// ft-tool calibrate: fits the temperature to a labelled folder and writes it into the model's card.
#include <cstdio>

#include "json_text.h"
#include "judged_data.h"
#include "model_source.h"
#include "terminal.h"
#include "tool_options.h"
#include "verbs.h"

namespace resnetft::tool {
namespace {

// The file itself only where it is ours: a published checkpoint stays as it was published.
Result<std::string> target_of(const CommandLine& line) {
  const std::string target = line.given("output") ? line.text("output") : line.text("model-file");
  if (target.ends_with(".safetensors") || (line.given("output") && target.ends_with(".pth"))) return target;
  return Error{ErrorCode::InvalidArgument, "cannot write the temperature into '" + target + "'",
               "pass --output with a name that ends in .safetensors or .pth"};
}

Status save_with_temperature(const Model& model, double temperature, const std::string& target) {
  ModelCard card = model.card();
  card.temperature = temperature;
  const Result<std::shared_ptr<const Model>> calibrated = with_card(model, std::move(card));
  if (!calibrated) return calibrated.error();
  return save_model(**calibrated, target);
}

std::string to_json(const Calibration& calibration, double old_temperature, const JudgedData& judged,
                    const std::string& target) {
  OrderedJson json;
  json["temperature"] = calibration.temperature;
  json["old-temperature"] = old_temperature;
  json["fitted"] = calibration.fitted;
  json["images"] = judged.indexes.size();
  json["failed"] = judged.failed;
  json["mistakes"] = calibration.mistakes;
  json["ece-before"] = calibration.before.ece;
  json["ece"] = calibration.after.ece;
  json["loss-before"] = calibration.before.loss;
  json["loss"] = calibration.after.loss;
  json["model-file"] = target;
  return json_text(json) + "\n";
}

std::string to_text(const Calibration& calibration, const std::string& target) {
  char text[160];
  std::snprintf(text, sizeof text, "\nece %.4f before, %.4f after (cross-fitted); loss %.4f before, %.4f after\n",
                calibration.before.ece, calibration.after.ece, calibration.before.loss, calibration.after.loss);
  return calibration.why + text + (calibration.fitted ? "wrote " + target + "\n" : "");
}

Result<int> run(const CommandLine& line) {
  if (!line.given("data")) return Error{ErrorCode::InvalidArgument, "no data is named", "pass --data FOLDER"};
  const Result<std::shared_ptr<const Model>> model = open_model(line);
  if (!model) return model.error();
  const Result<std::string> target = target_of(line);
  if (!target) return target.error();
  const ModelCard card = (*model)->card();
  const Result<DatasetPtr> data = open_labelled_folder(line.text("data"), card);
  if (!data) return data.error();
  const Result<std::unique_ptr<Classifier>> classifier = open_classifier(*model, line);
  if (!classifier) return classifier.error();
  const Result<JudgedData> judged = judge_data(**data, **classifier, worker_count(line));
  if (!judged) return judged.error();

  const Calibration calibration = calibrate(judged->logits, card.temperature);
  // With nothing to change, the file stays; another file that was asked for is written.
  if (calibration.fitted || line.given("output"))
    if (Status status = save_with_temperature(**model, calibration.temperature, *target); !status)
      return status.error();
  const std::string text =
      line.flag("json") ? to_json(calibration, card.temperature, *judged, *target) : to_text(calibration, *target);
  if (Status status = write_out(text); !status) return status.error();
  return judged->failed == 0 ? 0 : 1;
}

}  // namespace

Verb calibrate_verb() {
  return {
      "calibrate",
      "--data FOLDER",
      "Fits the temperature of a model to a labelled folder",
      "Writes it into the model's card, in --model-file itself unless --output names another file.\n"
      "FOLDER holds pictures that the model was not trained on, a folder for each class.\n\n"
      "  ft-tool calibrate --model-file runs/birds/model.safetensors --data birds/val",
      joined({model_options(), classifier_options(), option_rows({"data", "output", "json", "workers", "verbose"})}),
      run};
}

}  // namespace resnetft::tool
