// SPDX-License-Identifier: MIT
#include "model_slot.h"

#include <sys/resource.h>
#include <unistd.h>
#include <chrono>
#include <filesystem>
#include <utility>

namespace resnetft {
namespace {

using Clock = std::chrono::steady_clock;

// Runs the model on a grey picture, so that nothing is allocated, planned or read for the first time on a frame.
Status warm_up(PreparedModel& model) {
  const PreprocessSpec& spec = model.classifier->card().preprocess;
  const size_t row = static_cast<size_t>(spec.crop_width) * 3;
  const std::vector<uint8_t> pixels(row * static_cast<size_t>(spec.crop_height), 128);
  const ImageView grey{.format = PixelFormat::Rgb,
                       .width = spec.crop_width,
                       .height = spec.crop_height,
                       .planes = {pixels.data()},
                       .strides = {static_cast<ptrdiff_t>(row)}};
  for (int round = 0; round < 2; ++round) {
    const Clock::time_point start = Clock::now();
    const Result<std::vector<Judgement>> judgements = model.classifier->classify({&grey, 1}, 1);
    if (!judgements) return judgements.error();
    model.frame_time_ns = std::chrono::nanoseconds(Clock::now() - start).count();
  }
  return Status::success();
}

// For the loader thread and the workers that it starts: of 20 swaps the longest transform beside one was 1.6 to 1.9
// times the p99 at normal priority, 0.6 to 1.5 times at nice 19. SCHED_IDLE was worse (a thread that holds a lock and
// is not run), and starves on a busy machine.
void give_way_to_frames() { setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 19); }

ModelInfo describe(const PreparedModel& prepared) {
  const Model& model = prepared.snapshot->model();
  const std::string stem = std::filesystem::path(model.path()).stem().string();
  return {prepared.generation,
          model.sha256(),
          model.path(),
          stem.empty() ? model.card().architecture : stem,
          model.card(),
          prepared.classifier->engine_name(),
          prepared.classifier->precision_name(),
          prepared.frame_time_ns};
}

}  // namespace

ModelSlot::ModelSlot(std::shared_ptr<ModelHub> hub, ClassifierOptions options, Listener listener)
    : hub_(std::move(hub)),
      options_(std::move(options)),
      listener_(std::make_shared<const Listener>(std::move(listener))) {}

Result<std::unique_ptr<ModelSlot>> ModelSlot::open(std::shared_ptr<ModelHub> hub, ModelRequest request,
                                                   Listener listener) {
  std::unique_ptr<ModelSlot> slot(new ModelSlot(std::move(hub), std::move(request.classifier), std::move(listener)));
  slot->opening_ = std::this_thread::get_id();
  slot->hub_->subscribe(*slot);
  const Result<ModelHub::Current> seeded = slot->hub_->seed(request.path, request.load);
  if (!seeded) return seeded.error();
  if (const Status status = slot->catch_up(*seeded); !status) return status.error();
  slot->opening_ = std::thread::id();
  return slot;
}

ModelSlot::~ModelSlot() { close(); }

void ModelSlot::close() {
  gate_->close();
  hub_->unsubscribe(*this);
}

// A hub that had a model before we came prepares nothing for us.
Status ModelSlot::catch_up(const ModelHub::Current& now) {
  if (!now.snapshot) return Status::success();
  if (const std::optional<ModelInfo> shown = info(); shown && shown->generation >= now.generation)
    return Status::success();
  const Status status = prepare(now);
  if (status) promoted(now);
  return status;
}

PreparedModel* ModelSlot::current() {
  std::shared_ptr<PreparedModel> old;
  {
    const std::scoped_lock guard(lock_);
    if (!ready_) return active_.get();
    old = std::exchange(active_, std::move(ready_));
  }
  hub_->dispose(std::move(old));
  return active_.get();
}

std::optional<ModelInfo> ModelSlot::info() const {
  const std::scoped_lock guard(lock_);
  return info_;
}

Status ModelSlot::prepare(const ModelHub::Current& next) {
  if (std::this_thread::get_id() != opening_) give_way_to_frames();
  auto prepared = std::make_shared<PreparedModel>();
  prepared->generation = next.generation;
  prepared->snapshot = next.snapshot;
  Result<std::unique_ptr<Classifier>> classifier = Classifier::create(next.snapshot, options_);
  Status status = classifier ? Status::success() : Status(classifier.error());
  if (classifier) {
    prepared->classifier = std::move(*classifier);
    status = warm_up(*prepared);
  }
  if (!status) {
    if (std::this_thread::get_id() != opening_) report(status.error());
    return status;
  }
  const uint64_t shown = hub_->current().generation;
  std::vector<std::shared_ptr<PreparedModel>> stale;  // dropped after the lock
  const std::scoped_lock guard(lock_);
  for (std::shared_ptr<PreparedModel>& other : prepared_)
    if (other->generation != shown || shown == next.generation) stale.push_back(std::move(other));
  std::erase(prepared_, nullptr);
  prepared_.push_back(std::move(prepared));
  return status;
}

void ModelSlot::promoted(const ModelHub::Current& now) {
  std::shared_ptr<PreparedModel> unused;
  std::optional<ModelInfo> shown;
  {
    const std::scoped_lock guard(lock_);
    const auto found = std::ranges::find(prepared_, now.generation, &PreparedModel::generation);
    if (found == prepared_.end() || (info_ && info_->generation >= now.generation)) return;
    unused = std::exchange(ready_, std::move(*found));
    prepared_.erase(found);
    info_ = shown = describe(*ready_);
  }
  const auto [gate, listener] = std::pair(gate_, listener_);
  gate->pass([&] { listener->changed(*shown); });
}

void ModelSlot::report(const Error& error) {
  {
    const std::scoped_lock guard(lock_);
    reported_ = error.message;
  }
  const auto [gate, listener] = std::pair(gate_, listener_);
  gate->pass([&] { listener->failed(error); });
}

// The slot may be gone when the loader thread comes to it; the gate, which the function holds, then keeps it out. A
// failure that prepare() has told of is not told twice.
ModelHub::Done ModelSlot::outcome_reporter() {
  return [this, gate = gate_, listener = listener_](const Result<ModelHub::Current>& outcome) {
    gate->pass([&] {
      std::string reported;
      {
        const std::scoped_lock guard(lock_);
        reported = std::exchange(reported_, {});
      }
      if (!outcome && outcome.error().message != reported) listener->failed(outcome.error());
    });
  };
}

void ModelSlot::load(std::string path, LoadOptions options) {
  hub_->load(std::move(path), std::move(options), outcome_reporter());
}

void ModelSlot::rollback() { hub_->rollback(outcome_reporter()); }

Result<ModelSlot::SampleOutcome> ModelSlot::classify_sample(const ImageView& image) {
  const std::scoped_lock guard(sample_lock_);
  const ModelHub::Current now = hub_->current();
  if (!now.snapshot) return Error{ErrorCode::NotFound, "there is no model yet", "wait for model-changed"};
  if (!sample_.classifier || sample_.generation != now.generation) {
    Result<std::unique_ptr<Classifier>> classifier = Classifier::create(now.snapshot, options_);
    if (!classifier) return classifier.error();
    sample_ = {now.generation, now.snapshot, std::move(*classifier), 0};
  }
  Result<std::vector<Judgement>> judgements = sample_.classifier->classify({&image, 1}, 0);
  if (!judgements) return judgements.error();
  return SampleOutcome{std::move(judgements->front()), now.generation};
}

}  // namespace resnetft
