// SPDX-License-Identifier: MIT
// Labelled pictures as a learner would store them: each number has its own feature and pixels.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "live/sample.h"

namespace resnetft::testing {

inline constexpr uint64_t kSecond_ns = 1'000'000'000;

// A direction of its own: any two numbers are far apart, seen from kDuplicateDistance.
inline std::vector<float> feature_of(uint64_t number, size_t size = 16) {
  std::vector<float> feature(size);
  uint64_t state = number * 0x9e3779b97f4a7c15 + 1;
  for (float& value : feature) {
    state = state * 6364136223846793005 + 1442695040888963407;
    value = static_cast<float>(static_cast<double>(state >> 40) / (1 << 23) - 1);
  }
  return feature;
}

inline SmallPicturePtr picture_of(uint64_t number, int width, int height) {
  auto picture = std::make_shared<SmallPicture>();
  picture->width = width;
  picture->height = height;
  picture->rgb.resize(size_t{3} * static_cast<size_t>(width) * static_cast<size_t>(height));
  uint64_t state = number * 0xd1342543de82ef95 + 7;
  for (uint8_t& byte : picture->rgb) {
    state = state * 6364136223846793005 + 1442695040888963407;
    byte = static_cast<uint8_t>(state >> 56);
  }
  return picture;
}

// Picture `number` of a stream with two a second.
inline Sample sample_of(uint64_t number, std::string label, SmallPicturePtr picture = nullptr) {
  const uint64_t time_ns = number * kSecond_ns / 2;
  Sample sample;
  sample.key = {.stream_id = "camera", .epoch = 1, .running_time_ns = time_ns, .region = 0};
  sample.place = {"camera", time_ns};
  sample.label = std::move(label);
  sample.source = LabelSource::Event;
  sample.feature_origin = "trunk";
  sample.feature = feature_of(number);
  sample.picture = std::move(picture);
  return sample;
}

inline bool equal_pictures(const SmallPicturePtr& a, const SmallPicturePtr& b) {
  if (!a || !b) return a == b;
  return a->width == b->width && a->height == b->height && a->rgb == b->rgb;
}

// But for the pictures.
inline bool equal_words(const Sample& a, const Sample& b) {
  return a.id == b.id && a.key == b.key && a.place.timeline == b.place.timeline && a.place.time_ns == b.place.time_ns &&
         a.label == b.label && a.source == b.source && a.side == b.side && a.block == b.block &&
         a.feature_origin == b.feature_origin && a.feature == b.feature;
}

}  // namespace resnetft::testing
