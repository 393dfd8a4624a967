// SPDX-License-Identifier: MIT
#include "live/gate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>

namespace resnetft {

double metric_of(const GateScores& scores, GateMetric metric) {
  if (metric == GateMetric::Top1) return scores.top1;
  return metric == GateMetric::MacroF1 ? scores.macro_f1 : scores.loss;
}

namespace {

constexpr double kLeastConfidence = 1e-12;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

struct Counts {
  size_t samples = 0, named = 0, correct = 0;
};

// Over the samples whose class is `judged`.
GateScores scores_of(std::span<const GateJudgement> judgements, const std::vector<bool>& judged) {
  std::vector<Counts> counts(judged.size());
  GateScores scores;
  size_t samples = 0, correct = 0, classes = 0;
  for (const GateJudgement& judgement : judgements) {
    if (!judged[judgement.truth]) continue;
    ++samples;
    ++counts[judgement.truth].samples;
    if (judgement.named < judged.size()) ++counts[judgement.named].named;
    if (judgement.named == judgement.truth) ++counts[judgement.truth].correct, ++correct;
    scores.loss -= std::log(std::max(judgement.truth_confidence, kLeastConfidence));
  }
  for (size_t i = 0; i < judged.size(); ++i) {
    if (!judged[i]) continue;
    ++classes;
    // 2 TP / (2 TP + FP + FN): the harmonic mean of precision and recall.
    const double both = static_cast<double>(counts[i].samples + counts[i].named);
    scores.macro_f1 += both > 0 ? 2 * static_cast<double>(counts[i].correct) / both : 0;
  }
  if (samples == 0) return {};
  scores.top1 = static_cast<double>(correct) / static_cast<double>(samples);
  scores.loss /= static_cast<double>(samples);
  scores.macro_f1 /= static_cast<double>(classes);
  return scores;
}

// Positive where the candidate is better.
double gain(const GateScores& incumbent, const GateScores& candidate, GateMetric metric) {
  const double delta = metric_of(candidate, metric) - metric_of(incumbent, metric);
  return metric == GateMetric::Loss ? -delta : delta;
}

std::vector<GateClassFigures> class_figures(const GateLists& lists, std::span<const GateClass> classes,
                                            const GateRule& rule) {
  std::vector<GateClassFigures> figures;
  for (const GateClass& one : classes) figures.push_back({.name = one.name, .old = one.old});
  for (size_t i = 0; i < lists.incumbent.size(); ++i) {
    const size_t truth = lists.incumbent[i].truth;
    ++figures[truth].samples;
    figures[truth].incumbent_correct += lists.incumbent[i].named == truth;
    figures[truth].candidate_correct += lists.candidate[i].named == truth;
  }
  for (GateClassFigures& one : figures) one.judged = one.samples > 0 && one.samples >= rule.min_per_class;
  return figures;
}

void count_blocks(const GateLists& lists, GateOutcome& outcome) {
  std::map<uint64_t, int64_t> leads;
  for (size_t i = 0; i < lists.incumbent.size(); ++i)
    leads[lists.incumbent[i].block] += int64_t{lists.candidate[i].named == lists.candidate[i].truth} -
                                       int64_t{lists.incumbent[i].named == lists.incumbent[i].truth};
  for (const auto& [block, lead] : leads)
    ++(lead > 0 ? outcome.blocks_won : lead < 0 ? outcome.blocks_lost : outcome.blocks_tied);
  outcome.p_value = mcnemar_exact_p(outcome.blocks_won, outcome.blocks_lost);
}

Status check_lists(const GateLists& lists, size_t classes) {
  const Error misfit{ErrorCode::InvalidArgument, "gate: the two lists of judgements are not over the same samples",
                     "judge incumbent and candidate on one hold-out"};
  if (lists.incumbent.size() != lists.candidate.size()) return misfit;
  for (size_t i = 0; i < lists.incumbent.size(); ++i) {
    const GateJudgement &a = lists.incumbent[i], &b = lists.candidate[i];
    if (a.truth != b.truth || a.block != b.block || a.truth >= classes) return misfit;
  }
  return Status::success();
}

std::string both(const GateOutcome& outcome) {
  return std::string(gate_metric_name(outcome.metric)) + " " + number(metric_of(outcome.candidate, outcome.metric)) +
         " after " + number(metric_of(outcome.incumbent, outcome.metric)) + " on " +
         std::to_string(outcome.judged_samples) + " held-out samples";
}

GateOutcome decided(GateOutcome outcome, GateVerdict verdict, std::string reason) {
  outcome.verdict = verdict;
  outcome.reason = std::move(reason);
  return outcome;
}

// The first old class that lost too much, as a sentence; empty: none did.
std::string recall_loss(const GateOutcome& outcome, const GateRule& rule) {
  for (const GateClassFigures& one : outcome.classes) {
    if (!one.old || !one.judged || one.candidate_correct >= one.incumbent_correct) continue;
    const size_t lost = one.incumbent_correct - one.candidate_correct;
    const double drop = static_cast<double>(lost) / static_cast<double>(one.samples);
    if (lost <= kGateDropSamples || drop <= rule.max_recall_drop) continue;
    return "class '" + one.name + "' would lose " + std::to_string(lost) + " of " + std::to_string(one.samples) +
           " samples (recall " + number(drop) + " lower, " + number(rule.max_recall_drop) + " is allowed)";
  }
  return "";
}

// Empty where the test is off or says that the candidate is better.
std::string lacks_significance(const GateOutcome& outcome, const GateRule& rule) {
  if (rule.significance >= 1) return "";
  const size_t decided_blocks = outcome.blocks_won + outcome.blocks_lost;
  const std::string score = std::to_string(outcome.blocks_won) + " blocks won, " + std::to_string(outcome.blocks_lost) +
                            " lost, " + std::to_string(outcome.blocks_tied) + " tied";
  if (decided_blocks < kGateDecidedBlocks)
    return score + ": " + std::to_string(kGateDecidedBlocks) + " decided ones are needed";
  if (outcome.p_value <= rule.significance && outcome.blocks_won > outcome.blocks_lost) return "";
  return score + ": p = " + number(outcome.p_value) + " does not reach " + number(rule.significance);
}

GateOutcome decide(GateOutcome outcome, const GateRule& rule) {
  if (outcome.samples < rule.min_samples)
    return decided(
        std::move(outcome), GateVerdict::Undecided,
        std::to_string(outcome.samples) + " held-out samples; " + std::to_string(rule.min_samples) + " are needed");
  if (outcome.judged_samples == 0)
    return decided(std::move(outcome), GateVerdict::Undecided,
                   "no class has " + std::to_string(rule.min_per_class) + " held-out samples");
  const std::string figures = both(outcome);
  if (!(outcome.delta > 0 && outcome.delta >= rule.min_delta))
    return decided(std::move(outcome), GateVerdict::Rejected,
                   "not better: " + figures + "; at least " + number(rule.min_delta) + " is asked for");
  if (std::string loss = recall_loss(outcome, rule); !loss.empty())
    return decided(std::move(outcome), GateVerdict::Rejected, std::move(loss));
  const double rehearsal = outcome.metric == GateMetric::Loss
                               ? outcome.rehearsal_incumbent - outcome.rehearsal_candidate
                               : outcome.rehearsal_candidate - outcome.rehearsal_incumbent;
  if (outcome.rehearsal_samples > 0 && rehearsal < 0) {
    std::string reason = "worse on the rehearsal hold-out: " + std::string(gate_metric_name(outcome.metric)) + " " +
                         number(outcome.rehearsal_candidate) + " after " + number(outcome.rehearsal_incumbent);
    return decided(std::move(outcome), GateVerdict::Rejected, std::move(reason));
  }
  if (std::string lack = lacks_significance(outcome, rule); !lack.empty())
    return decided(std::move(outcome), GateVerdict::Undecided, std::move(lack));
  return decided(std::move(outcome), GateVerdict::Promoted, "better: " + figures);
}

}  // namespace

const char* gate_metric_name(GateMetric metric) {
  constexpr std::array kNames = {"macro-f1", "top1", "loss"};
  return kNames[static_cast<size_t>(metric)];
}

const char* gate_verdict_name(GateVerdict verdict) {
  constexpr std::array kNames = {"promoted", "rejected", "undecided"};
  return kNames[static_cast<size_t>(verdict)];
}

double mcnemar_exact_p(size_t won, size_t lost) {
  const size_t n = won + lost, fewer = std::min(won, lost);
  if (n == 0) return 1;
  // Binomial coefficients by their logarithms: blocks may be thousands.
  double tail = 0;
  const double total = static_cast<double>(n);
  for (size_t i = 0; i <= fewer; ++i) {
    const double k = static_cast<double>(i);
    tail += std::exp(std::lgamma(total + 1) - std::lgamma(k + 1) - std::lgamma(total - k + 1) - total * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

Result<GateOutcome> judge_candidate(const GateLists& holdout, const GateLists& rehearsal,
                                    std::span<const GateClass> classes, const GateRule& rule) {
  for (const GateLists* lists : {&holdout, &rehearsal})
    if (Status status = check_lists(*lists, classes.size()); !status) return status.error();
  GateOutcome outcome;
  outcome.metric = rule.metric;
  outcome.samples = holdout.incumbent.size();
  outcome.classes = class_figures(holdout, classes, rule);
  std::vector<bool> judged;
  for (const GateClassFigures& one : outcome.classes) {
    judged.push_back(one.judged);
    outcome.judged_samples += one.judged ? one.samples : 0;
  }
  outcome.incumbent = scores_of(holdout.incumbent, judged);
  outcome.candidate = scores_of(holdout.candidate, judged);
  outcome.delta = gain(outcome.incumbent, outcome.candidate, rule.metric);
  count_blocks(holdout, outcome);

  std::vector<bool> rehearsed(classes.size());
  for (const GateJudgement& judgement : rehearsal.incumbent) rehearsed[judgement.truth] = true;
  outcome.rehearsal_samples = rehearsal.incumbent.size();
  outcome.rehearsal_incumbent = metric_of(scores_of(rehearsal.incumbent, rehearsed), rule.metric);
  outcome.rehearsal_candidate = metric_of(scores_of(rehearsal.candidate, rehearsed), rule.metric);
  return decide(std::move(outcome), rule);
}

}  // namespace resnetft
