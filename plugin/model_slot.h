// SPDX-License-Identifier: MIT
// An element's place at a hub: the hub's loader thread prepares a Classifier for it and warms it up, the streaming
// thread picks the one of the current generation and never waits for another.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "call_gate.h"
#include "classify_settings.h"
#include "resnetft/classifier.h"
#include "resnetft/model_hub.h"

namespace resnetft {

// A generation, ready to run.
struct PreparedModel {
  uint64_t generation = 0;
  std::shared_ptr<const Snapshot> snapshot;
  std::unique_ptr<Classifier> classifier;
  int64_t frame_time_ns = 0;  // what one picture took when it was warmed up
};

// What an application may ask about the model that is shown.
struct ModelInfo {
  uint64_t generation = 0;
  std::string sha256;
  std::string path;
  std::string name;  // the file's name without its ending, or the architecture
  ModelCard card;
  std::string engine;
  std::string precision;
  int64_t frame_time_ns = 0;
};

// Thread-safe but for `current()`, which belongs to the streaming thread.
class ModelSlot final : public ModelHub::Subscriber {
 public:
  // Called on the loader thread, or within open(), with no lock held.
  struct Listener {
    std::function<void(const ModelInfo&)> changed;
    std::function<void(const Error&)> failed;
  };

  // Joins the hub and prepares its model, after seeding an empty hub from request.path. Without a path, and with
  // nothing in the hub, the slot stays empty until somebody publishes. Errors of ModelHub::seed and Classifier::create.
  static Result<std::unique_ptr<ModelSlot>> open(std::shared_ptr<ModelHub> hub, ModelRequest request,
                                                 Listener listener);
  ~ModelSlot() override;
  // Leaves the hub. Neither function of the listener is running or will be called after it, but for one that this
  // thread itself is in. May be repeated.
  void close();

  // The model for this frame, or null while there is none. The pointer lives until the next call.
  PreparedModel* current();

  std::optional<ModelInfo> info() const;

  // Without waiting; the outcome comes through the listener.
  void load(std::string path, LoadOptions options);
  void rollback();

  // In the caller's thread, on a session of its own. NotFound where there is no model yet.
  struct SampleOutcome {
    Judgement judgement;
    uint64_t generation;
  };
  Result<SampleOutcome> classify_sample(const ImageView& image);

  Status prepare(const ModelHub::Current& next) override;
  void promoted(const ModelHub::Current& now) override;

 private:
  ModelSlot(std::shared_ptr<ModelHub> hub, ClassifierOptions options, Listener listener);
  Status catch_up(const ModelHub::Current& now);
  void report(const Error& error);
  ModelHub::Done outcome_reporter();

  const std::shared_ptr<ModelHub> hub_;
  const ClassifierOptions options_;
  const std::shared_ptr<const Listener> listener_;  // shared: a handler may close the slot that calls it
  const std::shared_ptr<CallGate> gate_ = std::make_shared<CallGate>();
  std::thread::id opening_;  // the thread inside open(): its errors are returned there, not reported

  mutable std::mutex lock_;  // held only to move pointers; innermost
  std::vector<std::shared_ptr<PreparedModel>> prepared_;
  std::shared_ptr<PreparedModel> ready_;  // current, and not yet taken by the streaming thread
  std::optional<ModelInfo> info_;
  std::string reported_;  // the failure that prepare() told of last

  std::shared_ptr<PreparedModel> active_;  // the streaming thread's

  std::mutex sample_lock_;  // held during classify_sample(); before lock_
  PreparedModel sample_;
};

}  // namespace resnetft
