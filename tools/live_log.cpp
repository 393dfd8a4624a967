// SPDX-License-Identifier: MIT
#include "live_log.h"

#include "base/formatted.h"
#include "terminal.h"

namespace resnetft::tool {
namespace {

std::string joined_with_commas(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text.append(text.empty() ? "" : ", ").append(name);
  return text;
}

OrderedJson scores_to_json(const GateScores& scores) {
  return {{"top1", scores.top1}, {"macro-f1", scores.macro_f1}, {"loss", scores.loss}};
}

OrderedJson outcome_to_json(const GateOutcome& outcome) {
  OrderedJson json;
  json["verdict"] = gate_verdict_name(outcome.verdict);
  json["reason"] = outcome.reason;
  json["metric"] = gate_metric_name(outcome.metric);
  json["samples"] = outcome.samples;
  json["judged-samples"] = outcome.judged_samples;
  json["incumbent"] = scores_to_json(outcome.incumbent);
  json["candidate"] = scores_to_json(outcome.candidate);
  json["delta"] = outcome.delta;
  json["classes"] = OrderedJson::array();
  for (const GateClassFigures& figures : outcome.classes)
    json["classes"].push_back({{"label", figures.name},
                               {"samples", figures.samples},
                               {"judged", figures.judged},
                               {"old", figures.old},
                               {"incumbent-correct", figures.incumbent_correct},
                               {"candidate-correct", figures.candidate_correct}});
  json["blocks-won"] = outcome.blocks_won;
  json["blocks-lost"] = outcome.blocks_lost;
  json["blocks-tied"] = outcome.blocks_tied;
  json["p-value"] = outcome.p_value;
  json["rehearsal-samples"] = outcome.rehearsal_samples;
  json["rehearsal-incumbent"] = outcome.rehearsal_incumbent;
  json["rehearsal-candidate"] = outcome.rehearsal_candidate;
  return json;
}

OrderedJson per_class_to_json(const std::map<std::string, size_t>& counts) {
  OrderedJson json = OrderedJson::object();
  for (const auto& [label, count] : counts) json[label] = count;
  return json;
}

}  // namespace

std::string clock_text(uint64_t time_ns) {
  const uint64_t ms = time_ns / 1'000'000;
  return formatted("%llu:%02llu.%03llu", static_cast<unsigned long long>(ms / 60000),
                   static_cast<unsigned long long>(ms / 1000 % 60), static_cast<unsigned long long>(ms % 1000));
}

void LiveLog::say_line(const std::string& text) {
  if (!prints_) return;
  const std::string line = clock_text(time_ns_) + "  " + text + "\n";
  Status status = write_out(line);
  if (status) status = flush_out();
  if (!status) fail(status.error());
}

void LiveLog::take(const LearnerEvent& event) {
  std::visit([this](const auto& what) { on(what); }, event);
}

void LiveLog::on(const TrainStarted& started) {
  ++runs_;
  say_line(formatted("train      run %llu: %zu samples to learn from, %zu held out, ",
                     static_cast<unsigned long long>(started.run), started.train_samples, started.holdout_samples) +
           joined_with_commas(started.classes));
}

void LiveLog::on(const Gated& gated) {
  const GateOutcome& outcome = gated.outcome;
  say_line(std::string("gate       ")
               .append(gated.candidate)
               .append(" ")
               .append(gate_verdict_name(outcome.verdict))
               .append(formatted(": %s %.3f against %.3f on %zu held out; ", gate_metric_name(outcome.metric),
                                 metric_of(outcome.candidate, outcome.metric),
                                 metric_of(outcome.incumbent, outcome.metric), outcome.samples))
               .append(outcome.reason));
  OrderedJson json{{"running-time", time_ns_}, {"run", gated.run}, {"candidate-kind", gated.candidate}};
  json.update(outcome_to_json(outcome));
  gates_.push_back(std::move(json));
}

void LiveLog::on(const Promoted& promoted) {
  say_line(formatted("promoted   generation %llu, ", static_cast<unsigned long long>(promoted.generation)) +
           promoted.candidate + ": " + joined_with_commas(promoted.labels));
  generations_.push_back({{"running-time", time_ns_},
                          {"generation", promoted.generation},
                          {"candidate-kind", promoted.candidate},
                          {"run", promoted.run},
                          {"sha256", promoted.sha256},
                          {"labels", promoted.labels},
                          {"temperature", promoted.temperature}});
}

void LiveLog::on(const RolledBack& back) {
  say_line(formatted("rolled back  generation %llu: ", static_cast<unsigned long long>(back.generation)) + back.reason);
  generations_.push_back({{"running-time", time_ns_},
                          {"generation", back.generation},
                          {"candidate-kind", "rollback"},
                          {"sha256", back.sha256},
                          {"reason", back.reason}});
}

void LiveLog::on(const CheckpointWritten& written) { say_line("written    " + written.path); }

void LiveLog::on(const NotTrained& reason) {
  not_trained_ = reason.reason;
  say_line("no run     " + reason.reason);
}

void LiveLog::on(const LearnerFailed& failed) {
  say_line("error      " + to_string(failed.error));
  fail(failed.error);
}

void LiveLog::fail(const Error& error) {
  if (!failure_) failure_ = error;
}

OrderedJson counts_to_json(const StoreCounts& counts) {
  OrderedJson json;
  json["train"] = counts.train;
  json["holdout"] = counts.holdout;
  json["bytes"] = counts.bytes;
  json["offered"] = counts.offered;
  json["evicted"] = counts.evicted;
  json["left-out"] = counts.left_out;
  json["duplicates"] = counts.duplicates;
  json["no-room"] = counts.no_room;
  json["train-per-class"] = per_class_to_json(counts.train_per_class);
  json["holdout-per-class"] = per_class_to_json(counts.holdout_per_class);
  return json;
}

}  // namespace resnetft::tool
