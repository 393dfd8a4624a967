// SPDX-License-Identifier: MIT
// The seed dataset: pictures that are learned from again and again beside the live ones, and a part of them that is
// kept back to judge by.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "live/feature_maker.h"
#include "live/learning_set.h"

namespace resnetft {

// For one thread.
class Rehearsal {
 public:
  // `folder` empty: there is nothing to rehearse. Errors of open_image_folder.
  static Result<Rehearsal> open(const std::string& folder, uint64_t seed);

  bool is_empty() const { return !data_; }
  // First chooses what is held out; near-duplicates stay on one side. Then makes the features that are missing or of
  // another trunk. `go_on` is asked after each picture. Cancelled. A picture that cannot be decoded is left out from
  // then on, with a log line.
  Status prepare(FeatureMaker& maker, const std::function<bool()>& go_on);

  // Those of a side that have features of `origin`, of these classes.
  std::vector<Lesson> lessons(HoldoutSide side, const std::string& origin, const std::set<std::string>& classes) const;

 private:
  Status split(const std::function<bool()>& go_on);
  void add(const std::vector<size_t>& indexes, HoldoutSide side);
  Result<SamplePtr> make_sample(FeatureMaker& maker, const Lesson& lesson) const;

  DatasetPtr data_;
  uint64_t seed_ = 0;
  std::vector<Lesson> lessons_;  // none before split()
};

}  // namespace resnetft
