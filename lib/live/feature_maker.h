// SPDX-License-Identifier: MIT
// The pooled features of pictures, made by the layers before the head of one model.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "device/device_choice.h"
#include "resnetft/classifier.h"
#include "resnetft/error.h"

namespace resnetft {

// What features are made with, whatever precision the stream is judged with.
inline constexpr const char* kFeaturePrecision = "fp32";

// For one thread. On a GPU, what judges the stream comes first.
class FeatureMaker {
 public:
  // `origin`: feature_origin() of the model with kFeaturePrecision. Errors as Classifier::create.
  static Result<std::unique_ptr<FeatureMaker>> create(std::shared_ptr<const Snapshot> snapshot, std::string origin,
                                                      const Device& device, unsigned threads);

  const std::string& origin() const { return origin_; }
  Result<std::vector<float>> make(const ImageView& picture);

 private:
  FeatureMaker(std::unique_ptr<Classifier> classifier, std::string origin)
      : classifier_(std::move(classifier)), origin_(std::move(origin)) {}
  std::unique_ptr<Classifier> classifier_;
  std::string origin_;
};

}  // namespace resnetft
