// SPDX-License-Identifier: MIT
// What resnetfinetune keeps, and its parts: the frame's way (finetune_frame.cpp), what it tells the application
// (finetune_report.cpp), what the application may ask (finetune_actions.cpp).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "finetune.h"
#include "finetune_settings.h"
#include "gst_ref.h"
#include "hub_seat.h"
#include "live/learner.h"
#include "live/sample_clock.h"
#include "settings.h"

namespace resnetft {

inline constexpr const char* kLabelEventName = "resnet-label";

// Which frames of the stream are sampled. Streaming thread only (and start(), when there is none).
struct Collecting {
  CollectRules rules;
  uint64_t rules_version = 0;
  LabelTrack track;
  std::optional<bool> recorded;               // the source can seek: one place has one stream time
  std::map<std::string, SampleClock> clocks;  // by stream-id, since a stream began
  struct LiveTimeline {
    uint64_t epoch, last_ns;
  };
  std::map<std::string, LiveTimeline> live_timelines;  // by stream-id, of those that the track knows
  bool warned = false;                                 // of frames that could not be offered
};

struct FinetuneState {
  Settings settings{finetune_options()};
  HubSeat hub;

  std::mutex rules_lock;  // held while rules are read and handed over, so that the newest come last; before `lock`

  std::mutex lock;                            // for the two below; held only to copy or move them
  std::shared_ptr<Learner> learner;           // from start() to stop()
  std::vector<GRef<GstEvent>> queued_labels;  // sent to the element, not yet in the stream

  // State changes only. Alive until the last learner has let go of its hub, which takes longer where it was stopped
  // from its own thread.
  std::weak_ptr<const void> reporter_in_use;

  std::shared_ptr<Learner> streaming_learner;
  Collecting collecting;

  std::shared_ptr<Learner> current_learner() {
    const std::scoped_lock guard(lock);
    return learner;
  }
};

// The read-only properties, after those of the option table.
enum FinetuneReadOnly : guint { kLearnerState = 1000, kProgress, kSamplesPerClass, kLastMetrics, kGeneration };

// ---- The frame's way ----

// Takes what was queued and changed since the last frame; whether frames are looked at.
bool collects_frames(GstResnetFinetune* self);
// Offers the frame and its regions to the learner where they are due. What goes wrong is a warning, once.
FrameWork collect_frame(GstResnetFinetune* self, const VideoFrame& frame);
void reset_collecting(GstResnetFinetune* self, ResetReason reason, const std::string& stream_id);
bool is_label_event(GstEvent* event);
void take_label_event(GstResnetFinetune* self, GstEvent* event);

// ---- Messages, notifications, actions; no lock may be held ----

// Reports for as long as the element lives; keeps no reference.
struct FinetuneReporter {
  Learner::Observer observer;
  std::function<void()> state_changed;
  std::weak_ptr<const void> in_use;  // by a learner
};
FinetuneReporter finetune_reporter(GstResnetFinetune* self);
void install_finetune_actions(GType type);

}  // namespace resnetft
