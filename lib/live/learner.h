// SPDX-License-Identifier: MIT
// Samples in, a better snapshot out: collects, trains on its own thread, proves the candidate on held-out time,
// publishes it, and goes back when it was wrong. Knows nothing of pipelines; the element and `ft-tool live` drive it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "live/candidate_ring.h"
#include "live/gate.h"
#include "live/instant_head.h"
#include "live/label_track.h"
#include "live/replay_store.h"
#include "live/sample.h"
#include "resnetft/error.h"
#include "resnetft/image.h"
#include "resnetft/model_hub.h"
#include "train/recipe.h"

namespace resnetft {

enum class SamplePolicy { Every, Changed, Uncertain };
enum class ClassSet { Replace, Extend };
enum class TrainWhen { Off, Manual, Auto };
enum class Promotion { Auto, Ask, Never };

// What may change while it runs; taken by the next run (the sample's rules: by the next sample).
struct LearnerRules {
  SamplePolicy sample_policy = SamplePolicy::Every;
  bool allow_new_classes = true;
  TrainWhen train = TrainWhen::Auto;
  size_t min_samples = 64, min_per_class = 8, min_new_samples = 32;  // of training samples
  Trainable trainable = Trainable::Head;                             // Head, Layer4, All
  Recipe recipe;                                                     // lr 0: auto, as ft-tool train resolves it
  GateRule gate;
  InstantHeadKind instant_head = InstantHeadKind::Lda;
  Promotion promotion = Promotion::Auto;
  uint64_t rollback_window_ns = 0;  // 0: off
  double rollback_drop = 0.1;
  double duty_cycle = 0.5;  // share of any 2 s, 0 < share <= 1
};

struct LearnerSpec {
  std::shared_ptr<ModelHub> hub;
  std::string base_model_file;  // seeds an empty hub
  LoadOptions load;
  std::string checkpoint_dir;  // empty: generations are not written
  ReplayStoreSpec store;
  uint64_t ring_bytes = uint64_t{64} << 20;
  uint64_t ring_time_ns = 30'000'000'000;
  ClassSet classes = ClassSet::Replace;
  std::string seed_dataset;  // a folder of pictures; empty: none
  std::string device = "auto";
  unsigned threads = 1;
  uint64_t seed = 0;
  // true: no thread of its own; run_pending() does the work in the caller's, and nothing is ever dropped.
  bool in_caller = false;
  LearnerRules rules;
  // Called as the observer is, when the state has become another: most changes have an event, the end of a run has
  // none.
  std::function<void()> state_changed = {};
};

enum class LearnerState { Idle, Collecting, Training, Judging, Asking, Error };
const char* learner_state_name(LearnerState state);  // "training"

// What happened, in the words of the element's messages.
struct SampleStored {
  SampleKey key;
  Place place;
  std::string label;
  LabelSource source;
  SampleFate fate;
  HoldoutSide side;
  StoreCounts counts;
};
struct LabelRequest {
  uint64_t id;
  SampleKey key;
  std::vector<ScoredClass> top;
  double margin;
  std::vector<uint8_t> jpeg;  // a thumbnail
};
struct TrainStarted {
  uint64_t run;
  size_t train_samples, holdout_samples;
  std::vector<std::string> classes;
  Recipe recipe;
  std::vector<std::string> notes;  // what `auto` became, and why
};
struct EpochEnded {
  uint64_t run;
  uint32_t epoch, epochs;
  double loss, accuracy, seconds;
};
struct Gated {
  uint64_t run;  // 0: the instant head
  GateOutcome outcome;
  std::string candidate;  // "instant-head", "head", "layer4", "all"
  bool asks;              // promotion=ask: waits for promote() or the next run
};
struct Promoted {
  uint64_t run, generation;
  std::string sha256, candidate;
  std::vector<std::string> labels;
  double temperature;
  std::optional<GateOutcome> outcome;  // none: below gate-min-samples, the instant head only
};
struct RolledBack {
  uint64_t generation;
  std::string sha256, reason;
};
struct CheckpointWritten {
  std::string path;
  uint64_t generation;
};
struct NotTrained {  // why no run began: what is missing, by class
  std::string reason;
};
struct LearnerFailed {
  Error error;
};
using LearnerEvent = std::variant<SampleStored, LabelRequest, TrainStarted, EpochEnded, Gated, Promoted, RolledBack,
                                  CheckpointWritten, NotTrained, LearnerFailed>;

struct LearnerStatus {
  LearnerState state = LearnerState::Idle;
  double progress = 0;  // of the run under way, 0 to 1
  StoreCounts store;
  std::optional<GateOutcome> last_gate;
  uint64_t generation = 0;           // of the hub
  uint64_t frames_without_slot = 0;  // dropped because the learner had not caught up
  uint64_t runs = 0;                 // that ended, in any way
  uint64_t labels_refused = 0;       // samples of unknown labels, with allow_new_classes=false
  uint64_t frames_sure = 0;          // sample-policy=uncertain: left out, because the model was sure and right
  uint64_t features_unusable = 0;    // samples whose features another trunk made, and whose picture is not kept
  uint64_t label_requests = 0;       // that may be answered
};

// Thread-safe but for offer(), which belongs to the streaming thread, and run_pending().
class Learner {
 public:
  // Seeds the hub, opens store and seed dataset, resumes from the newest good generation in checkpoint_dir; starts the
  // thread. `observer` is called on that thread (in_caller: on the caller's) with no lock held; never after stop()
  // returned, but for a call that stop() was made from. Errors: of ModelHub::seed, ReplayStore::open,
  // open_image_folder; InvalidArgument naming both values where options exclude each other; Incompatible where another
  // learner teaches this hub.
  using Observer = std::function<void(const LearnerEvent&)>;
  static Result<std::unique_ptr<Learner>> create(LearnerSpec spec, Observer observer);
  ~Learner();  // as stop()

  // Ends within 2 s, in the middle of a step too: a run that does not end in time goes to a reaper that is joined
  // before the process ends. From the learner's own thread it does not join itself. May be repeated.
  void stop();

  // A frame of the stream, or a region of it: reduced to its slot if a sample is wanted. Never waits.
  Status offer(const ImageView& image, const SampleKey& key, const Place& place, const HeldLabel& held);
  // STREAM_START, FLUSH_STOP: empties the ring, not the store.
  void forget_candidates();

  void set_rules(const LearnerRules& rules);
  LearnerStatus status() const;
  uint64_t next_epoch() const;  // where a LabelTrack begins
  // What create() lost or left out, of store and generations: for people.
  const std::vector<Error>& start_warnings() const { return start_warnings_; }

  // Each is accepted (true) or not; the outcome is an event.
  bool train_now();
  bool cancel();
  bool promote();   // what promotion=ask waits with
  bool rollback();  // a generation that was rolled back is not promoted again from the same data
  // How many frames of the current epoch lie in [from, to]. Their regions keep the labels that they named themselves.
  size_t label_range(std::string label, uint64_t from_ns, uint64_t to_ns);
  bool answer(uint64_t request_id, std::string label);
  Status add_sample(const ImageView& image, std::string label);
  // Writes the current generation; in the caller's thread. Errors of save_model; NotFound before the first.
  Status save(const std::string& path) const;

  // Waits until all that was offered is stored and the run under way, if any, has ended; false: stopped or interrupted
  // by `give_up`, which is asked every 20 ms.
  bool finish(const std::function<bool()>& give_up);
  // in_caller only: does all that is waiting, runs included.
  void run_pending();

 private:
  struct State;
  explicit Learner(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;  // the thread holds it too
  std::vector<Error> start_warnings_;
  std::thread thread_;
};

}  // namespace resnetft
