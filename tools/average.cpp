// SPDX-License-Identifier: MIT
// ft-tool average: one model of several, by the mean of their weights (uniform soup, Wortsman et al. 2022a), or between
// a base and what was fine-tuned from it (WiSE-FT, Wortsman et al. 2022b), alpha chosen on a validation folder.
#include <cstdio>

#include "json_text.h"
#include "judged_data.h"
#include "model/model_card.h"
#include "model/normalization.h"
#include "model_source.h"
#include "terminal.h"
#include "tool_options.h"
#include "verbs.h"

namespace resnetft::tool {
namespace {

constexpr int kAlphaSteps = 10;

using Models = std::vector<std::shared_ptr<const Model>>;

Error differs(const Model& a, const Model& b, const std::string& what) {
  return {ErrorCode::Incompatible, "'" + a.path() + "' and '" + b.path() + "' differ in their " + what,
          "average models of one architecture and one data set"};
}

Status check_fit(const Model& a, const Model& b) {
  const ModelCard &left = a.card(), &right = b.card();
  if (left.architecture != right.architecture)
    return differs(a, b, "architecture: " + left.architecture + " and " + right.architecture);
  if (left.num_classes != right.num_classes)
    return differs(a, b, "classes: " + std::to_string(left.num_classes) + " and " + std::to_string(right.num_classes));
  if (left.labels != right.labels) return differs(a, b, "labels");
  if (left.normalization != right.normalization)
    return differs(a, b,
                   "normalisation: " + std::string(normalization_name(left.normalization)) + " and " +
                       std::string(normalization_name(right.normalization)));
  if (left.preprocess != right.preprocess) return differs(a, b, "preprocessing");
  return Status::success();
}

Result<Models> open_models(const CommandLine& line) {
  const Result<LoadOptions> options = load_options(line);
  if (!options) return options.error();
  Models models;
  for (const std::string& file : line.arguments()) {
    Result<std::shared_ptr<const Model>> model = load_model(file, *options);
    if (!model) return model.error();
    models.push_back(std::move(*model));
    if (Status status = check_fit(*models.front(), *models.back()); !status) return status.error();
  }
  return models;
}

std::string provenance_of(const Models& models, const std::vector<double>& shares) {
  OrderedJson json;
  for (size_t i = 0; i < models.size(); ++i)
    json["averaged"].push_back({{"parent", models[i]->sha256()}, {"share", shares[i]}});
  return json_text(json);
}

// Summed in double precision. The running statistics are averaged like everything else. A temperature that was fitted
// to one of them says nothing of the mean.
Result<std::shared_ptr<const Model>> mixed(const Models& models, const std::vector<double>& shares) {
  std::map<std::string, std::vector<double>, std::less<>> sums;
  FloatWeights weights;
  for (size_t i = 0; i < models.size(); ++i) {
    const Result<std::shared_ptr<const FloatWeights>> one = models[i]->weights();
    if (!one) return one.error();
    if (i == 0) weights = **one;
    for (const auto& [name, tensor] : **one) {
      std::vector<double>& sum = sums[name];
      sum.resize(tensor.values.size());
      for (size_t k = 0; k < sum.size(); ++k) sum[k] += shares[i] * tensor.values[k];
    }
  }
  for (auto& [name, tensor] : weights)
    for (size_t k = 0; k < tensor.values.size(); ++k) tensor.values[k] = static_cast<float>(sums[name][k]);
  ModelCard card = models.back()->card();
  card.temperature = 1;
  card.provenance_json = provenance_of(models, shares);
  return Model::create(std::move(card), std::move(weights));
}

struct Candidate {
  double alpha;
  ClassificationScores scores;
};

bool is_better(const ClassificationScores& a, const ClassificationScores& b) {
  return a.top1 > b.top1 || (a.top1 == b.top1 && a.loss < b.loss);
}

// The alphas 0, 0.1 ... 1, each judged on `data`.
Result<std::vector<Candidate>> judge_alphas(const Models& models, const Dataset& data, const CommandLine& line) {
  std::vector<Candidate> candidates;
  for (int step = 0; step <= kAlphaSteps; ++step) {
    const double alpha = static_cast<double>(step) / kAlphaSteps;
    Result<std::shared_ptr<const Model>> model = mixed(models, {1 - alpha, alpha});
    if (!model) return model.error();
    const Result<std::unique_ptr<Classifier>> classifier = open_classifier(std::move(*model), line);
    if (!classifier) return classifier.error();
    const Result<JudgedData> judged = judge_data(data, **classifier, worker_count(line));
    if (!judged) return judged.error();
    candidates.push_back({alpha, scores_of(judged->logits, 1)});
  }
  return candidates;
}

const Candidate& best_of(const std::vector<Candidate>& candidates) {
  const Candidate* best = &candidates.front();
  for (const Candidate& candidate : candidates)
    if (is_better(candidate.scores, best->scores)) best = &candidate;
  return *best;
}

Status check_usage(const CommandLine& line) {
  if (line.arguments().size() < 2)
    return Error{ErrorCode::InvalidArgument,
                 "two models or more are needed, " + std::to_string(line.arguments().size()) + " named",
                 "ft-tool average A B... --output FILE"};
  const std::string target = line.text("output");
  if (!line.given("output"))
    return Error{ErrorCode::InvalidArgument, "no output is named", "pass --output FILE.safetensors"};
  if (Status status = check_model_target(target); !status) return status;
  if ((line.given("data") || line.given("alpha")) && line.arguments().size() != 2)
    return Error{ErrorCode::InvalidArgument, "--data and --alpha go between two models, a base and a fine-tuned one",
                 "name two, or leave both options out for the mean of all"};
  if (line.given("data") && line.given("alpha"))
    return Error{ErrorCode::InvalidArgument, "--data and --alpha exclude each other", "--data chooses alpha"};
  return Status::success();
}

std::string to_text(const std::vector<Candidate>& candidates, const std::vector<double>& shares,
                    const std::string& target) {
  std::string text;
  char line[100];
  for (const Candidate& candidate : candidates) {
    std::snprintf(line, sizeof line, "alpha %.1f  top-1 %.4f  loss %.4f%s\n", candidate.alpha, candidate.scores.top1,
                  candidate.scores.loss, &candidate == &best_of(candidates) ? " *" : "");
    text += line;
  }
  text += "wrote " + target + ": shares";
  for (const double share : shares) {
    std::snprintf(line, sizeof line, " %.4g", share);
    text += line;
  }
  return text + "\n";
}

std::string to_json(const std::vector<Candidate>& candidates, const std::vector<double>& shares,
                    const std::string& target) {
  OrderedJson json;
  json["model-file"] = target;
  json["shares"] = shares;
  for (const Candidate& candidate : candidates)
    json["candidates"].push_back(
        {{"alpha", candidate.alpha}, {"top1", candidate.scores.top1}, {"loss", candidate.scores.loss}});
  if (!candidates.empty()) json["alpha"] = best_of(candidates).alpha;
  return json_text(json) + "\n";
}

Result<int> run(const CommandLine& line) {
  if (Status status = check_usage(line); !status) return status.error();
  const Result<Models> models = open_models(line);
  if (!models) return models.error();
  std::vector<Candidate> candidates;
  std::vector<double> shares(models->size(), 1 / static_cast<double>(models->size()));
  if (line.given("alpha")) shares = {1 - line.real("alpha"), line.real("alpha")};
  if (line.given("data")) {
    const Result<DatasetPtr> data = open_labelled_folder(line.text("data"), models->front()->card());
    if (!data) return data.error();
    Result<std::vector<Candidate>> judged = judge_alphas(*models, **data, line);
    if (!judged) return judged.error();
    candidates = std::move(*judged);
    shares = {1 - best_of(candidates).alpha, best_of(candidates).alpha};
  }
  const Result<std::shared_ptr<const Model>> model = mixed(*models, shares);
  if (!model) return model.error();
  const std::string target = line.text("output");
  if (Status status = save_model(**model, target); !status) return status.error();
  const std::string text =
      line.flag("json") ? to_json(candidates, shares, target) : to_text(candidates, shares, target);
  if (Status status = write_out(text); !status) return status.error();
  return 0;
}

}  // namespace

Verb average_verb() {
  return {"average",
          "A B...",
          "Makes one model of several by averaging their weights",
          "Without --data: the mean of all. With --data FOLDER and two models, a base and one fine-tuned from it: the\n"
          "share of the second that names most of FOLDER's pictures rightly. Both must know the same classes.\n\n"
          "  ft-tool average run1/model.safetensors run2/model.safetensors --output soup.safetensors\n"
          "  ft-tool average base.safetensors tuned.safetensors --data val/ --output wise.safetensors",
          joined({option_rows({"output", "data", "alpha", "labels-file", "arch", "allow-non-finite"}),
                  classifier_options(), option_rows({"json", "workers", "verbose"})}),
          run};
}

}  // namespace resnetft::tool
