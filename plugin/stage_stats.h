// SPDX-License-Identifier: MIT
// Counts of frames and the times that the stages took, for the property `stats`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>

#include "gst_ref.h"

namespace resnetft {

enum class FrameCount { Frames, Inferred, Carried, SkippedLate, Regions, Samples, ModelChanges, Last };
enum class Stage { Preprocess, Inference, Output, Total, Last };

// Thread-safe. Percentiles are of the last kWindow times of a stage.
class StageStats {
 public:
  void count(FrameCount what, uint64_t number = 1);
  void time(Stage stage, int64_t ns);
  // `resnetclassify-stats`: the counts as uint64, and for each stage STAGE-p50, -p95, -p99 in ns as uint64.
  StructurePtr structure() const;
  void reset();

 private:
  static constexpr size_t kWindow = 1024;
  struct Times {
    std::array<int64_t, kWindow> ns = {};
    size_t count = 0;
    size_t next = 0;
  };

  mutable std::mutex lock_;  // innermost
  std::array<uint64_t, static_cast<size_t>(FrameCount::Last)> counts_ = {};
  std::array<Times, static_cast<size_t>(Stage::Last)> stages_ = {};
};

}  // namespace resnetft
