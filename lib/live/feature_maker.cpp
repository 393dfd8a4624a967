// SPDX-License-Identifier: MIT
#include "live/feature_maker.h"

namespace resnetft {

Result<std::unique_ptr<FeatureMaker>> FeatureMaker::create(std::shared_ptr<const Snapshot> snapshot, std::string origin,
                                                           const Device& device, unsigned threads) {
  ClassifierOptions options;
  options.device = device_name(device);
  options.precision = kFeaturePrecision;
  options.threads = static_cast<int>(threads);
  options.background = true;
  Result<std::unique_ptr<Classifier>> classifier = Classifier::create(std::move(snapshot), options);
  if (!classifier) return classifier.error();
  return std::unique_ptr<FeatureMaker>(new FeatureMaker(std::move(*classifier), std::move(origin)));
}

Result<std::vector<float>> FeatureMaker::make(const ImageView& picture) {
  Result<std::vector<Judgement>> judgements = classifier_->classify({&picture, 1}, 1);
  if (!judgements) return judgements.error();
  return std::move(judgements->front().embedding);
}

}  // namespace resnetft
