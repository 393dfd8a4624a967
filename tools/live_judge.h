// SPDX-License-Identifier: MIT
// How good the hub's current model is: on frames that were kept from the learner, and on a labelled folder.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "data/dataset.h"
#include "resnetft/classifier.h"
#include "resnetft/model_hub.h"

namespace resnetft::tool {

// Of pictures with a known label, whether the model has it or not.
struct Tally {
  struct Count {
    size_t pictures = 0, correct = 0;
  };
  std::map<std::string, Count> classes;

  void add(const std::string& truth, const std::string& named);
  size_t pictures() const;
  size_t correct() const;
  double accuracy() const;  // 0 of none
};

// Reentrant, not thread-safe.
class LiveJudge {
 public:
  explicit LiveJudge(std::shared_ptr<ModelHub> hub) : hub_(std::move(hub)) {}

  // The label that the current model puts first; "" where there is no model, or no label. Errors of Classifier.
  Result<std::string> label_of(const ImageView& image);
  // Pictures that cannot be decoded are named on the standard error and left out. Cancelled after a signal.
  Result<Tally> judge_folder(const Dataset& data, unsigned workers);

 private:
  Status follow_hub();

  std::shared_ptr<ModelHub> hub_;
  uint64_t generation_ = 0;
  std::unique_ptr<Classifier> classifier_;
};

}  // namespace resnetft::tool
