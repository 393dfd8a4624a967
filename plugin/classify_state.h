// SPDX-License-Identifier: MIT
// What resnetclassify keeps, and its two halves: the frame's way (classify_frame.cpp) and what it tells the
// application (classify_report.cpp).
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "base/options.h"
#include "classify.h"
#include "frame_judge.h"
#include "gst_cuda.h"
#include "hub_seat.h"
#include "judgement_writer.h"
#include "model_slot.h"
#include "overlay.h"
#include "settings.h"
#include "stage_stats.h"

namespace resnetft {

inline constexpr auto kStatsInterval = std::chrono::seconds(10);  // between two messages of event stats

struct ClassifyState {
  Settings settings{classify_options()};
  StageStats stats;
  std::atomic<bool> ask_about_overlay = true;

  HubSeat hub;
  GpuContext gpu;

  std::mutex lock;                  // for the one below; held only to copy it
  std::shared_ptr<ModelSlot> slot;  // from start() to stop()

  // Streaming thread only (and start(), when there is none).
  std::shared_ptr<ModelSlot> streaming_slot;
  FrameRules rules;
  uint64_t rules_version = 0;
  bool missed_model = false;  // and said so
  FrameJudge judge;
  Overlay overlay;
  Overlay::Way overlay_way = Overlay::Way::Blend;
  bool warned_of_overlay = false;  // that no label can be drawn
  std::chrono::steady_clock::time_point next_stats;

  std::shared_ptr<ModelSlot> current_slot() {
    const std::scoped_lock guard(lock);
    return slot;
  }
};

// The frame's way: pad, judge, metas, overlay, messages.
Result<FrameWork> classify_frame(GstResnetClassify* self, const VideoFrame& frame);

// `sample` classified in the caller's thread: a `resnetclassify` structure with event classify-sample.
Result<StructurePtr> classify_sample(GstResnetClassify* self, GstSample* sample);

enum class ClassifySignal { ModelChanged, LabelChanged, Last };
void install_classify_signals(GType type);

// Messages and signals. No lock may be held.
void report_verdict(GstResnetClassify* self, const Verdict& verdict, const VerdictPlace& place);
void report_model_changed(GstResnetClassify* self, const ModelInfo& info);
void report_model_failed(GstResnetClassify* self, const Error& error);
void report_stats(GstResnetClassify* self);

// Asks the hub for the model that the properties name; a labels file that cannot be read is reported as a failed load.
bool request_model(GstResnetClassify* self, const std::string& path);
bool request_rollback(GstResnetClassify* self);

}  // namespace resnetft
