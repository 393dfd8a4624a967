// SPDX-License-Identifier: MIT
#include "live/feature_maker.h"

#include "device/training_device.h"

namespace resnetft {

Result<std::unique_ptr<FeatureMaker>> FeatureMaker::create(std::shared_ptr<const Snapshot> snapshot, std::string origin,
                                                           const std::string& device, unsigned threads) {
  const Result<Device> chosen = choose_training_device(device);
  if (!chosen) return chosen.error();
  ClassifierOptions options;
  options.device = device_name(*chosen);
  options.precision = kFeaturePrecision;
  options.threads = static_cast<int>(threads);
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
