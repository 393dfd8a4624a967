// SPDX-License-Identifier: MIT
// Plays a labelled recording through a Learner, in the caller's thread, so that the same recording gives the same bits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "label_file.h"
#include "live/learner.h"
#include "live_judge.h"
#include "live_log.h"

namespace resnetft::tool {

struct ReplayRules {
  unsigned sample_interval = 1;
  DatasetPtr eval;  // none: no folder is judged
  uint64_t eval_interval_ns = 0;
  unsigned workers = 1;
};

// The model that was current at a time of the recording, judged on the whole folder.
struct FolderTally {
  uint64_t running_time_ns = 0;
  uint64_t generation = 0;
  Tally tally;
};

struct Replayed {
  uint64_t frames = 0;   // decoded
  uint64_t offered = 0;  // labelled and sampled
  Tally judged;          // frames of spans to judge, each by the model that was current
  std::vector<FolderTally> folder;
};

// Borrows all of it. Frames of spans to judge reach the learner without a label, as frames outside of all spans do.
// Errors of VideoFrames, Learner::offer and Classifier; Cancelled after a signal.
Result<Replayed> replay(const std::string& video, const LabelSpans& labels, const ReplayRules& rules, Learner& learner,
                        LiveJudge& judge, LiveLog& log);

}  // namespace resnetft::tool
