// SPDX-License-Identifier: MIT
#include "live/learner_loop.h"

#include <time.h>

#include <algorithm>
#include <new>

#include "device/parallel_run.h"

namespace resnetft {
namespace {

using namespace std::chrono_literals;

constexpr auto kCollectEvery = 100ms;  // during a run
constexpr auto kLeastBetweenInstants = 500ms;
constexpr int kInstantCostShare = 4;  // at most a fifth of the time goes to instant heads
constexpr int kIdleWait_ms = 250, kShortWait_ms = 50;
constexpr size_t kJudgeAgainAfter = 16;  // held-out samples

// Pausing collects, which has pause points of its own.
class Pausing {
 public:
  explicit Pausing(bool& flag) : flag_(flag) { flag_ = true; }
  ~Pausing() { flag_ = false; }

 private:
  bool& flag_;
};

std::chrono::nanoseconds read_clock(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

LearnerLoop::LearnerLoop(LearnerShared& shared, std::unique_ptr<ReplayStore> store, Rehearsal rehearsal,
                         GenerationFiles files)
    : shared_(shared),
      collector_(shared, std::move(store), std::move(rehearsal)),
      promoter_(shared, collector_, std::move(files)),
      duty_(shared.spec.rules.duty_cycle) {}

Status LearnerLoop::begin() {
  const ModelHub::Current now = shared_.spec.hub->current();
  if (Status followed = promoter_.begin(now); !followed) return followed;
  // What the newest generation has learned already is nothing new.
  const Ancestry ancestry = ancestry_of(now.snapshot->model().card());
  std::vector<SamplePtr> samples;
  for (const Lesson& lesson : collector_.lessons(HoldoutSide::Train, collector_.classes()))
    samples.push_back(lesson.sample);
  if (!ancestry.manifest.empty() && ancestry.manifest == manifest_of(samples)) collector_.forget_new_train_samples();
  return Status::success();
}

void LearnerLoop::serve() {
  while (!shared_.is_stopping()) {
    const uint64_t offered = shared_.offered;
    shared_.set_idle(false, 0);
    const bool more = turn();
    if (!more && synced_at_ != offered) {
      synced_at_ = offered;
      collector_.sync();
    }
    shared_.set_idle(!more && !instant_waits_, offered);
    if (!more) shared_.wake_up.wait(instant_waits_ ? kShortWait_ms : kIdleWait_ms);
  }
}

bool LearnerLoop::turn() {
  return guarded([this] { return work(); });
}

void LearnerLoop::collect() {
  guarded([this] {
    collector_.collect();
    return false;
  });
  last_collected_ = Clock::now();
}

// Errors become messages; then nothing is left to do at once.
bool LearnerLoop::guarded(const std::function<bool()>& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    shared_.fail({ErrorCode::OutOfMemory, "learning: memory ran out", "lower replay-max-bytes or batch-size"});
  } catch (const std::exception& error) {
    shared_.fail({ErrorCode::Internal, std::string("learning: ") + error.what(), ""});
  }
  return false;
}

bool LearnerLoop::work() {
  const LearnerRules rules = shared_.rules();
  duty_.set_share(rules.duty_cycle);
  run_token_ = shared_.run_token();
  if (!began_) {
    began_ = true;
    if (Status refreshed = collector_.refresh([&] { return pause(); }); !refreshed) shared_.fail(refreshed.error());
  }
  run_tasks();
  collect();
  if (Status seen = promoter_.look_at_hub(); !seen) shared_.fail(seen.error());
  if (rules.rollback_window_ns > 0)
    if (const auto complaint = collector_.watch().complaint(rules.rollback_window_ns, rules.rollback_drop))
      roll_back(*complaint);
  collector_.ask_for_labels();
  judge_waiting(rules);
  consider_instant();
  const bool runs = !shared_.is_stopping() && wants_run(rules);
  if (runs) run(rules);
  show_state();
  return runs;
}

void LearnerLoop::run_tasks() {
  for (const LearnerShared::Task& task : shared_.take_tasks()) task(*this);
}

void LearnerLoop::show_state() {
  const LearnerState state = shared_.has_failed()              ? LearnerState::Error
                             : pending_                        ? LearnerState::Asking
                             : collector_.counts().offered > 0 ? LearnerState::Collecting
                                                               : LearnerState::Idle;
  shared_.set_state(state);
}

bool LearnerLoop::pause() {
  if (run_token_.stop_requested() || shared_.is_stopping()) return false;
  if (shared_.spec.in_caller || pausing_) return true;
  const Pausing pausing(pausing_);
  if (running_ && Clock::now() - last_collected_ >= kCollectEvery) {
    run_tasks();
    collect();
  }
  rest();
  return !run_token_.stop_requested() && !shared_.is_stopping();
}

void LearnerLoop::rest() {
  const std::chrono::nanoseconds time = duty_.rest(read_clock(CLOCK_MONOTONIC), read_clock(CLOCK_THREAD_CPUTIME_ID));
  if (time.count() == 0) return;
  const ParallelPause pause;
  shared_.rest(time);
}

void LearnerLoop::roll_back(const std::string& reason) {
  if (Status seen = promoter_.look_at_hub(); !seen) shared_.fail(seen.error());
  pending_.reset();
  waiting_.reset();
  const Status status = promoter_.roll_back(reason);
  if (status) return;
  // Nothing to go back to: no fault of the learner's, and each who asks is told.
  if (status.error().code == ErrorCode::NotFound)
    shared_.tell(LearnerFailed{status.error()});
  else
    shared_.fail(status.error());
}

void LearnerLoop::promote_pending() {
  if (!pending_) return;
  const Contender contender = *std::exchange(pending_, std::nullopt);
  const Status promoted = promoter_.promote(contender);
  if (promoted)
    shared_.clear_failure();
  else
    shared_.fail(promoted.error());
}

size_t LearnerLoop::holdout_samples() const {
  return collector_.lessons(HoldoutSide::Holdout, collector_.classes()).size();
}

// The head that instant samples make is for the time until a trained one wins, and for classes that came later.
bool LearnerLoop::instant_may_show(const std::vector<std::string>& classes, bool gated) const {
  const std::string candidate = ancestry_of(collector_.incumbent().snapshot->model().card()).candidate;
  const bool lacks =
      std::ranges::any_of(classes, [&](const std::string& label) { return !collector_.incumbent_head().find(label); });
  if (lacks || candidate == kInstantHead) return true;
  return gated && candidate.empty();
}

void LearnerLoop::consider_instant() {
  instant_waits_ = false;
  const LearnerRules rules = shared_.rules();
  if (rules.instant_head == InstantHeadKind::Off || rules.promotion == Promotion::Never) return;
  if (!collector_.instant_is_due() || shared_.is_stopping()) return;
  if (pending_ && pending_->run > 0) return;  // a trained one waits
  const Clock::time_point begin = Clock::now();
  instant_waits_ = !shared_.spec.in_caller && begin < next_instant_;
  if (instant_waits_) return;
  Result<std::optional<LinearHead>> head = collector_.take_instant_head(rules.instant_head);
  if (!head) return shared_.fail(head.error());
  if (*head) offer_instant(**head, rules);
  const Clock::time_point end = Clock::now();
  next_instant_ = end + std::max<Clock::duration>(kLeastBetweenInstants, (end - begin) * kInstantCostShare);
}

void LearnerLoop::offer_instant(const LinearHead& head, const LearnerRules& rules) {
  const size_t held_out = holdout_samples();
  const bool gated = held_out >= rules.gate.min_samples;
  if (!instant_may_show(head.labels, gated)) return;
  std::vector<SamplePtr> samples;
  for (const Lesson& lesson : collector_.lessons(HoldoutSide::Train, head.labels)) samples.push_back(lesson.sample);
  Contender contender;
  contender.origin = {.parent_sha256 = parent_for_next(collector_.incumbent().snapshot->model()),
                      .base_sha256 = base_of_line(collector_.incumbent().snapshot->model()),
                      .manifest = manifest_of(samples),
                      .candidate = kInstantHead,
                      .train_samples = samples.size(),
                      .holdout_samples = held_out,
                      .recipe = {},
                      .outcome = {},
                      .seed = shared_.spec.seed};
  if (promoter_.refuses(contender.origin.manifest)) return;
  const Result<std::shared_ptr<const Model>> model = with_head(collector_.incumbent().snapshot->model(), head, 1, "{}");
  if (!model) return shared_.fail(model.error());
  contender.snapshot = Snapshot::create(*model);
  contender.feature_origin = collector_.feature_origin();
  if (gated) return judge_instant(std::move(contender), rules);
  contender.temperature = held_out_temperature(head);
  if (rules.promotion == Promotion::Ask) {
    GateOutcome outcome;
    outcome.samples = held_out;
    outcome.reason = "not judged: " + std::to_string(held_out) + " held-out samples; ";
    outcome.reason.append(std::to_string(rules.gate.min_samples)).append(" are needed");
    pending_ = std::move(contender);
    return shared_.tell(Gated{0, outcome, kInstantHead, true});
  }
  if (const Status promoted = promoter_.promote(contender); !promoted) return shared_.fail(promoted.error());
  shared_.clear_failure();
}

double LearnerLoop::held_out_temperature(const LinearHead& head) const {
  ModelAnswers answers;
  for (const Lesson& lesson : collector_.lessons(HoldoutSide::Holdout, head.labels)) {
    answers.logits.push_back(head.logits(lesson.sample->feature));
    answers.truths.push_back(head.find(lesson.sample->label));
  }
  return temperature_for(answers, 1).value;
}

// Tells of a verdict only where it is another than the last one: it is asked after every few samples.
void LearnerLoop::judge_instant(Contender contender, const LearnerRules& rules) {
  const Result<GateOutcome> outcome = judge(contender, rules);
  if (!outcome) return shared_.fail(outcome.error());
  const bool wins = outcome->verdict == GateVerdict::Promoted;
  if (!wins && instant_verdict_ == outcome->verdict) return;
  instant_verdict_ = outcome->verdict;
  if (!wins) return show_gate(*outcome), shared_.tell(Gated{0, *outcome, kInstantHead, false});
  if (const Status concluded = conclude(std::move(contender), *outcome, rules); !concluded)
    shared_.fail(concluded.error());
}

void LearnerLoop::judge_waiting(const LearnerRules& rules) {
  if (!waiting_ || shared_.is_stopping()) return;
  const size_t now = holdout_samples();
  const bool enough_now = waiting_since_ < rules.gate.min_samples && now >= rules.gate.min_samples;
  if (!enough_now && now < waiting_since_ + kJudgeAgainAfter) return;
  Contender contender = *std::exchange(waiting_, std::nullopt);
  shared_.set_state(LearnerState::Judging);
  const Result<GateOutcome> outcome = judge(contender, rules);
  if (!outcome) return shared_.fail(outcome.error());
  if (const Status concluded = conclude(std::move(contender), *outcome, rules); !concluded)
    shared_.fail(concluded.error());
}

Result<GateOutcome> LearnerLoop::judge(Contender& contender, const LearnerRules& rules) {
  const LearnerSpec& spec = shared_.spec;
  Result<SampleJudge> incumbent =
      SampleJudge::create(collector_.incumbent().snapshot, collector_.feature_origin(), shared_.device, spec.threads);
  if (!incumbent) return incumbent.error();
  Result<SampleJudge> candidate =
      SampleJudge::create(contender.snapshot, contender.feature_origin, shared_.device, spec.threads);
  if (!candidate) return candidate.error();
  const std::vector<std::string> labels = joined_labels(candidate->head().labels, collector_.classes());
  std::vector<GateClass> classes;
  for (const std::string& label : labels) classes.push_back({label, incumbent->head().find(label).has_value()});
  const auto go_on = [&] { return pause(); };
  const Result<AnsweredPair> live =
      ask_both(*incumbent, *candidate, collector_.lessons(HoldoutSide::Holdout, labels), classes, go_on);
  if (!live) return live.error();
  const Result<AnsweredPair> rehearsed =
      ask_both(*incumbent, *candidate, collector_.rehearsed(HoldoutSide::Holdout, labels), classes, go_on);
  if (!rehearsed) return rehearsed.error();
  const double old_incumbent = incumbent->model().card().temperature;
  const double old_candidate = candidate->model().card().temperature;
  const FittedTemperature of_incumbent = temperature_for(live->incumbent, old_incumbent);
  const FittedTemperature of_candidate = temperature_for(live->candidate, old_candidate);
  contender.temperature = of_candidate.value;
  // By their losses, models compare only where both were fitted to the same samples, or none was.
  const bool both_fitted = of_incumbent.fitted && of_candidate.fitted;
  const Temperatures temperatures =
      both_fitted ? Temperatures{of_incumbent.value, of_candidate.value} : Temperatures{old_incumbent, old_candidate};
  const JudgedPair held_out = judge_answers(*live, temperatures), old_lessons = judge_answers(*rehearsed, temperatures);
  Result<GateOutcome> outcome = judge_candidate({held_out.incumbent, held_out.candidate},
                                                {old_lessons.incumbent, old_lessons.candidate}, classes, rules.gate);
  if (!outcome) return outcome;
  contender.origin.outcome = *outcome;
  contender.origin.holdout_samples = outcome->samples;
  return outcome;
}

void LearnerLoop::show_gate(const GateOutcome& outcome) {
  shared_.update([&](LearnerStatus& status) { status.last_gate = outcome; });
}

Status LearnerLoop::conclude(Contender contender, const GateOutcome& outcome, const LearnerRules& rules) {
  show_gate(outcome);
  const bool wins = outcome.verdict == GateVerdict::Promoted;
  const bool asks = wins && rules.promotion == Promotion::Ask;
  const std::string candidate = contender.origin.candidate;
  shared_.tell(Gated{contender.run, outcome, candidate, asks});
  if (outcome.verdict == GateVerdict::Undecided && candidate != kInstantHead) {
    waiting_since_ = outcome.samples;
    waiting_ = std::move(contender);
    return Status::success();
  }
  if (asks) pending_ = std::move(contender);
  if (!wins || rules.promotion != Promotion::Auto) return Status::success();
  if (promoter_.refuses(contender.origin.manifest))
    return Error{ErrorCode::Incompatible, "a generation that learned from the same samples was rolled back",
                 "label more"};
  if (Status promoted = promoter_.promote(contender); !promoted) return promoted;
  instant_verdict_.reset();
  shared_.clear_failure();
  // Other layers: their features are needed from now on.
  const Status refreshed = collector_.refresh([&] { return pause(); });
  return !refreshed && refreshed.error().code == ErrorCode::Cancelled ? Status::success() : refreshed;
}

}  // namespace resnetft
