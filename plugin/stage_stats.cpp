// SPDX-License-Identifier: MIT
#include "stage_stats.h"

#include <algorithm>
#include <string>
#include <vector>

namespace resnetft {
namespace {

constexpr std::array<const char*, static_cast<size_t>(FrameCount::Last)> kCountNames = {
    "frames", "inferred", "carried", "skipped-late", "regions", "samples", "model-changes"};
constexpr std::array<const char*, static_cast<size_t>(Stage::Last)> kStageNames = {"preprocess", "inference", "output",
                                                                                   "total"};
struct Percentile {
  const char* suffix;
  size_t percent;
};
constexpr std::array kPercentiles = {Percentile{"-p50", 50}, Percentile{"-p95", 95}, Percentile{"-p99", 99}};

}  // namespace

void StageStats::count(FrameCount what, uint64_t number) {
  const std::scoped_lock guard(lock_);
  counts_[static_cast<size_t>(what)] += number;
}

void StageStats::time(Stage stage, int64_t ns) {
  const std::scoped_lock guard(lock_);
  Times& times = stages_[static_cast<size_t>(stage)];
  times.ns[times.next] = ns;
  times.next = (times.next + 1) % kWindow;
  times.count = std::min(times.count + 1, kWindow);
}

StructurePtr StageStats::structure() const {
  StructurePtr structure(gst_structure_new_empty("resnetclassify-stats"));
  const std::scoped_lock guard(lock_);
  for (size_t i = 0; i < counts_.size(); ++i)
    gst_structure_set(structure.get(), kCountNames[i], G_TYPE_UINT64, guint64{counts_[i]}, nullptr);
  for (size_t i = 0; i < stages_.size(); ++i) {
    std::vector<int64_t> sorted(stages_[i].ns.begin(),
                                stages_[i].ns.begin() + static_cast<ptrdiff_t>(stages_[i].count));
    std::ranges::sort(sorted);
    for (const Percentile& percentile : kPercentiles) {
      const int64_t ns = sorted.empty() ? 0 : sorted[(sorted.size() - 1) * percentile.percent / 100];
      gst_structure_set(structure.get(), (kStageNames[i] + std::string(percentile.suffix)).c_str(), G_TYPE_UINT64,
                        static_cast<guint64>(ns), nullptr);
    }
  }
  return structure;
}

void StageStats::reset() {
  const std::scoped_lock guard(lock_);
  counts_ = {};
  stages_ = {};
}

}  // namespace resnetft
