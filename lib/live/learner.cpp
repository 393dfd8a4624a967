// SPDX-License-Identifier: MIT
// The learner as others see it: a thread, a loop that it runs, and what they share. The streaming thread touches the
// ring, which has no lock, and an eventfd, nothing else.
#include "live/learner.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "device/thread_budget.h"
#include "device/training_device.h"
#include "live/hub_claim.h"
#include "live/learner_loop.h"
#include "live/learner_shared.h"
#include "live/reaper.h"
#include "live/reduction.h"

namespace resnetft {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kStopWithin = 1800ms;
constexpr auto kFinishPoll = 20ms;
constexpr int kLowestPriority = 19;
constexpr const char* kAddedStream = "added";

// Of the calling thread, and of those that it starts: LibTorch's for backward passes on a GPU are started before
// (torch_device()). Empty, or what became of it instead.
std::string take_idle_priority() {
  const sched_param none{};
  if (sched_setscheduler(0, SCHED_IDLE, &none) == 0) return "";
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kLowestPriority);
  return "SCHED_IDLE was refused: training runs with nice 19";
}

// On a busy machine a thread of idle priority would not come to its end in time. Where it may not leave it, it is late.
void leave_idle_priority(pthread_t thread) {
  const sched_param none{};
  pthread_setschedparam(thread, SCHED_OTHER, &none);
}

Error wrong(std::string message, std::string hint) {
  return {ErrorCode::InvalidArgument, std::move(message), std::move(hint)};
}

Status check(const LearnerSpec& spec) {
  const LearnerRules& rules = spec.rules;
  if (!spec.hub) return wrong("a learner needs a hub", "acquire one");
  if (!(rules.duty_cycle > 0 && rules.duty_cycle <= 1))
    return wrong("duty-cycle is " + std::to_string(rules.duty_cycle), "possible is more than 0, at most 1");
  if (rules.trainable == Trainable::Auto)
    return wrong("trainable=auto: a learner does not choose", "possible are: head, layer4, all");
  if (spec.threads == 0) return wrong("training-threads is 0", "possible is 1 or more");
  if (rules.trainable == Trainable::Head && rules.recipe.norm != NormChoice::Keep)
    return wrong("trainable=head keeps the layers as they are, norm would change them",
                 "leave norm, or use trainable=all");
  return Status::success();
}

// Where a file was named, and what is shown instead does not come from it.
std::optional<Error> unused_base(const std::string& base_model_file, const Model& base, const Model& shown) {
  const std::string named = base_of_line(base), of_shown = base_of_line(shown);
  if (base_model_file.empty() || named.empty() || of_shown.empty() || named == of_shown) return {};
  std::string text = "base-model-file '" + base_model_file;
  text.append("' is not used: checkpoint-dir goes on from '").append(shown.path()).append("', made from another model");
  return Error{ErrorCode::Incompatible, std::move(text), "name another checkpoint-dir to begin with it"};
}

}  // namespace

struct Learner::State {
  HubClaim claim;
  std::unique_ptr<LearnerShared> shared;
  std::unique_ptr<LearnerLoop> loop;
  std::mutex adding, stopping;
  uint64_t added = 0;

  // Of the thread.
  std::mutex lock;
  std::condition_variable ended_changed;
  bool ended = false;

  void run() {
    shared->thread = std::this_thread::get_id();
    if (const std::string note = take_idle_priority(); !note.empty()) {
      log(LogLevel::Warning, "learner: " + note);
      loop->note(note);
    }
    ThreadBudget(static_cast<int>(shared->spec.threads)).apply();
    loop->serve();
    close();
    const std::scoped_lock guard(lock);
    ended = true;
    ended_changed.notify_all();
  }

  // Lets go of store, hub and files.
  void close() {
    loop.reset();
    claim.release();
  }

  bool wait_for_end(Clock::time_point deadline) {
    std::unique_lock guard(lock);
    return ended_changed.wait_until(guard, deadline, [&] { return ended; });
  }
};

const char* learner_state_name(LearnerState state) {
  constexpr std::array kNames = {"idle", "collecting", "training", "judging", "asking", "error"};
  return kNames[static_cast<size_t>(state)];
}

Learner::Learner(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Learner>> Learner::create(LearnerSpec spec, Observer observer) {
  if (Status good = check(spec); !good) return good.error();
  auto state = std::make_shared<State>();
  if (Status claimed = state->claim.take(spec.hub); !claimed) return claimed.error();
  const Result<ModelHub::Current> seeded = spec.hub->seed(spec.base_model_file, spec.load);
  if (!seeded) return seeded.error();
  // The store's later notes go to the log alone.
  auto warnings = std::make_shared<std::vector<Error>>();
  const auto note = [starting = std::weak_ptr(warnings)](LogLevel level, const std::string& sentence) {
    log(level, "learner: " + sentence);
    const auto list = starting.lock();
    if (list && level == LogLevel::Warning) list->push_back({ErrorCode::Io, sentence, ""});
  };
  const auto warn = [&note](const std::string& sentence) { note(LogLevel::Warning, sentence); };
  GenerationFiles files(spec.checkpoint_dir, warn);
  if (Status resumed = resume_hub(*spec.hub, files, warn); !resumed) return resumed.error();
  const std::shared_ptr<const Snapshot> shown = spec.hub->current().snapshot;
  if (!shown) return Error{ErrorCode::NotFound, "there is no model to learn from", "name one with base-model-file"};
  if (seeded->snapshot)
    if (auto unused = unused_base(spec.base_model_file, seeded->snapshot->model(), shown->model())) {
      log(LogLevel::Warning, "learner: " + to_string(*unused));
      warnings->push_back(std::move(*unused));
    }
  Result<std::unique_ptr<ReplayStore>> store = ReplayStore::open(spec.store, note);
  if (!store) return store.error();
  Result<Rehearsal> rehearsal = Rehearsal::open(spec.seed_dataset, spec.seed);
  if (!rehearsal) return rehearsal.error();
  const Result<Device> device = choose_training_device(spec.device);
  if (!device) return device.error();
  const uint64_t epoch = (*store)->next_epoch();
  state->shared = std::make_unique<LearnerShared>(std::move(spec), *device, std::move(observer),
                                                  shown->model().card().preprocess, epoch);
  state->loop =
      std::make_unique<LearnerLoop>(*state->shared, std::move(*store), std::move(*rehearsal), std::move(files));
  if (Status begun = state->loop->begin(); !begun) return begun.error();
  auto learner = std::unique_ptr<Learner>(new Learner(state));
  learner->start_warnings_ = std::move(*warnings);
  warnings.reset();
  if (!state->shared->spec.in_caller) learner->thread_ = std::thread([state] { state->run(); });
  return learner;
}

// The state is the thread's, too: it goes with the later of the two.
Learner::~Learner() {
  stop();
  if (thread_.joinable()) hand_to_reaper(std::move(thread_));  // it is this thread
}

void Learner::stop() {
  const Clock::time_point deadline = Clock::now() + kStopWithin;
  state_->shared->stop();
  if (!state_->shared->silence(deadline)) {  // an observer calls: the learner ends by itself, after it has returned
    if (state_->shared->thread == std::this_thread::get_id()) leave_idle_priority(pthread_self());
    return;
  }
  const std::scoped_lock guard(state_->stopping);
  if (state_->shared->spec.in_caller) return state_->close();
  if (!thread_.joinable()) return;
  leave_idle_priority(thread_.native_handle());
  if (state_->wait_for_end(deadline)) return thread_.join();
  log(LogLevel::Warning, "learner: a run does not end in time; it is waited for before the process ends");
  state_->claim.release();  // the next learner need not wait for it
  hand_to_reaper(std::move(thread_));
}

Status Learner::offer(const ImageView& image, const SampleKey& key, const Place& place, const HeldLabel& held) {
  const std::shared_ptr<State> state = state_;  // an observer may end the learner
  LearnerShared& shared = *state->shared;
  const bool labelled = !held.label.empty();
  const Result<CandidateRing::Put> put = shared.ring.put(image, key, place, held);
  if (!put) return put.error();
  if (*put != CandidateRing::Put::Kept) return Status::success();
  if (labelled) ++shared.offered;
  if (shared.spec.in_caller && state->loop)
    state->loop->collect();
  else if (labelled || shared.wants_unlabelled)
    shared.wake_up.raise();
  return Status::success();
}

void Learner::forget_candidates() { state_->shared->ring.clear(); }
void Learner::set_rules(const LearnerRules& rules) { state_->shared->set_rules(rules); }
LearnerStatus Learner::status() const { return state_->shared->status(); }
uint64_t Learner::next_epoch() const { return state_->shared->next_epoch; }

bool Learner::train_now() {
  if (state_->shared->rules().train == TrainWhen::Off) return false;
  return state_->shared->post([](LearnerLoop& loop) { loop.ask_to_train(); });
}

bool Learner::cancel() {
  if (state_->shared->cancel_run()) return true;
  if (state_->shared->status().state != LearnerState::Asking) return false;
  return state_->shared->post([](LearnerLoop& loop) { loop.drop_pending(); });
}

bool Learner::promote() {
  if (state_->shared->status().state != LearnerState::Asking) return false;
  return state_->shared->post([](LearnerLoop& loop) { loop.promote_pending(); });
}

bool Learner::rollback() {
  return state_->shared->post([](LearnerLoop& loop) { loop.roll_back("asked for"); });
}

namespace {

// The slot goes back to the ring at once.
Candidate own_copy(Candidate candidate, const std::string& label, LabelSource source) {
  candidate.picture = std::make_shared<const SmallPicture>(*candidate.picture);
  candidate.held = {label, source};
  return candidate;
}

}  // namespace

size_t Learner::label_range(std::string label, uint64_t from_ns, uint64_t to_ns) {
  if (label.empty()) return 0;
  std::vector<Candidate> candidates;
  for (Candidate& candidate : state_->shared->ring.between(from_ns, to_ns))
    if (candidate.key.region == 0) candidates.push_back(own_copy(std::move(candidate), label, LabelSource::Range));
  const size_t count = candidates.size();
  const bool accepted = state_->shared->post([candidates = std::move(candidates)](LearnerLoop& loop) {
    loop.collect();  // what an earlier label made of them comes first
    for (const Candidate& candidate : candidates) loop.add(candidate);
  });
  return accepted ? count : 0;
}

bool Learner::answer(uint64_t request_id, std::string label) {
  const std::optional<SampleKey> key = state_->shared->close_request(request_id);
  if (!key || label.empty()) return false;
  const std::optional<Candidate> candidate = state_->shared->ring.find(*key);
  if (!candidate) return false;
  return state_->shared->post(
      [own = own_copy(*candidate, label, LabelSource::Answer)](LearnerLoop& loop) { loop.add(own); });
}

Status Learner::add_sample(const ImageView& image, std::string label) {
  if (label.empty()) return wrong("a sample needs a label", "name one");
  const CandidateRingSpec slot = state_->shared->ring_spec;
  SmallPicture picture;
  Reduction reduction(slot.model, {slot.width, slot.height});
  if (Status reduced = reduction.run(image, picture); !reduced) return reduced;
  Candidate candidate;
  {
    const std::scoped_lock guard(state_->adding);
    candidate.key = {kAddedStream, next_epoch(), ++state_->added, 0};
  }
  candidate.place = {kAddedStream, candidate.key.running_time_ns};
  candidate.held = {std::move(label), LabelSource::Added};
  candidate.picture = std::make_shared<const SmallPicture>(std::move(picture));
  if (state_->shared->post([candidate](LearnerLoop& loop) { loop.add(candidate); })) return Status::success();
  return Error{ErrorCode::Cancelled, "the learner has stopped", ""};
}

Status Learner::save(const std::string& path) const {
  const ModelHub::Current now = state_->shared->spec.hub->current();
  if (!now.snapshot)
    return Error{ErrorCode::NotFound, "there is no model to save yet", "name one with base-model-file"};
  return save_model(now.snapshot->model(), path);
}

bool Learner::finish(const std::function<bool()>& give_up) {
  LearnerShared& shared = *state_->shared;
  if (shared.spec.in_caller) run_pending();
  if (shared.thread.load() == std::this_thread::get_id()) return false;
  const uint64_t offers = shared.offered;
  while (!shared.spec.in_caller && !shared.is_done(offers)) {
    if (shared.is_stopping() || (give_up && give_up())) return false;
    std::this_thread::sleep_for(kFinishPoll);
  }
  return !shared.is_stopping();
}

void Learner::run_pending() {
  const std::shared_ptr<State> state = state_;  // an observer may end the learner
  if (!state->shared->spec.in_caller) return;
  while (state->loop && !state->shared->is_stopping() && state->loop->turn()) {
  }
}

}  // namespace resnetft
