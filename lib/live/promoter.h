// SPDX-License-Identifier: MIT
// From a candidate to the model that is shown, and back: files, hub, messages.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "live/collector.h"
#include "live/generation_files.h"
#include "live/learner_shared.h"

namespace resnetft {

// A model that may take over.
struct Contender {
  uint64_t run = 0;  // 0: the instant head
  std::shared_ptr<const Snapshot> snapshot;
  std::string feature_origin;  // of its layers
  double temperature = 1;
  Origin origin;
};

// Makes the newest good generation current in a hub that shows its first model or none.
Status resume_hub(ModelHub& hub, const GenerationFiles& files, const GenerationFiles::Note& note);

// For the learner's thread. Looks at the hub rather than subscribing to it: a subscriber that needs no engine would
// make a model current that no element can show.
class Promoter {
 public:
  Promoter(LearnerShared& shared, Collector& collector, GenerationFiles files);

  // The hub's first model as the learner sees it.
  Status begin(const ModelHub::Current& now);
  // Written first, then published: what cannot be kept is not shown.
  Status promote(const Contender& contender);
  Status roll_back(const std::string& reason);
  // Of somebody else's: says so, and follows.
  Status look_at_hub();

  bool refuses(const std::string& manifest) const { return files_.refuses(manifest); }

 private:
  void follow(const ModelHub::Current& now, bool held_against_the_old);
  Status went_back(const ModelHub::Current& now, const std::string& reason);
  Status keep(const ModelHub::Current& now);

  LearnerShared& shared_;
  Collector& collector_;
  GenerationFiles files_;
  std::string instant_file_;            // of the generation that is shown, where that is an instant head of ours
  std::set<std::string> was_shown_;     // SHA-256
  std::set<std::string> without_file_;  // SHA-256 of instant heads whose file went with the next one
};

}  // namespace resnetft
