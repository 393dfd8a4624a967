// SPDX-License-Identifier: MIT
// One labelled picture as the learner keeps it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "live/holdout.h"
#include "live/label_track.h"

namespace resnetft {

// Reduced to about the model's input size: R, G, B, [height, width, 3].
struct SmallPicture {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;
};
using SmallPicturePtr = std::shared_ptr<const SmallPicture>;

struct Sample {
  uint64_t id = 0;  // in its store, from 1, never used twice
  SampleKey key;
  Place place;
  std::string label;
  LabelSource source = LabelSource::None;
  HoldoutSide side = HoldoutSide::Train;
  uint64_t block = 0;          // Holdout::block_number()
  std::string feature_origin;  // hash of the trunk, preprocessing and precision that made the feature
  std::vector<float> feature;  // the pooled features before the head; empty: to be computed from the picture
  SmallPicturePtr picture;     // none: not kept
};

// What a sample counts towards replay-max-bytes: its feature, picture and label.
uint64_t sample_bytes(const Sample& sample);

// 1 - cosine of the angle between two features, 0 to 2; 0 for two of zeros, 1 where one of them is.
double feature_distance(std::span<const float> a, std::span<const float> b);

// Nearer ones are near-duplicates: about a twentieth of the features' length apart.
inline constexpr double kDuplicateDistance = 0.002;

// How sure a model is: confidence of its first class less that of its second. Pictures below kDoubtfulMargin are worth
// a label.
double margin(std::span<const double> confidences);
inline constexpr double kDoubtfulMargin = 0.5;

}  // namespace resnetft
