// SPDX-License-Identifier: MIT
// Which regions of a frame are inferred, which take over an earlier result, and what is shown of each: a decision from
// arguments alone, free of GStreamer and threads.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "classify_settings.h"
#include "resnetft/classifier.h"
#include "resnetft/error.h"
#include "resnetft/smoother.h"

namespace resnetft {

inline constexpr int64_t kWholeFrame = -1;

// A rectangle to judge. `identity` says that it is the same thing as in earlier frames; without one nothing is carried
// over and nothing is smoothed.
struct JudgedRegion {
  Region rectangle = {};
  std::optional<int64_t> identity;
};

struct Verdict {
  Judgement judgement;                        // `top` is never empty
  uint64_t generation = 0;                    // of the model that judged it
  unsigned age_frames = 0;                    // frames since it was inferred
  std::optional<std::string> previous_label;  // set where the label of this identity has changed; "" at first

  const ScoredClass& best() const { return judgement.top.front(); }
};

struct FrameSituation {
  uint64_t running_time_ns = 0;
  uint64_t generation = 0;  // of the model that would judge now
  bool skip = false;        // no inference on this frame, because it is late
  bool reverse = false;     // plays backwards: nothing is carried over
};

struct FrameVerdicts {
  std::vector<std::optional<Verdict>> verdicts;  // for each region, in order; none where there is no result for it
  bool skipped = false;                          // an inference was due and left out
};

// Reentrant, not thread-safe.
class FrameJudge {
 public:
  // Runs the model on one region; `top_k` 0: all classes.
  using Infer = std::function<Result<Judgement>(const Region& region, size_t top_k)>;

  // Returns the first error of `infer`.
  Result<FrameVerdicts> judge(std::span<const JudgedRegion> regions, const FrameRules& rules,
                              const FrameSituation& situation, const Infer& infer);
  // Forgets what was carried, smoothed and counted.
  void reset();

 private:
  struct Track {
    Smoother smoother;
    std::optional<Verdict> last;
    std::string label;  // outlives a change of model
    uint64_t seen_at_frame = 0;
  };

  Result<std::optional<Verdict>> judge_anonymous(const Region& region, const FrameRules& rules,
                                                 const FrameSituation& situation, const Infer& infer);
  Result<std::optional<Verdict>> judge_known(const JudgedRegion& region, const FrameRules& rules,
                                             const FrameSituation& situation, const Infer& infer);
  void forget_model();
  void forget_unseen();

  std::map<int64_t, Track> tracks_;
  uint64_t frames_ = 0;
  bool due_ = false;      // this frame is one of those that are inferred
  bool skipped_ = false;  // on this frame
  uint64_t generation_ = 0;
};

// How many classes the smoother must see for this rule; 0: all.
size_t classes_needed(const SmootherRule& rule);

}  // namespace resnetft
