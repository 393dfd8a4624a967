// SPDX-License-Identifier: MIT
// Temperature scaling (Guo et al. 2017, section 4.2): one number that makes confidences mean what they say.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "train/meters.h"

namespace resnetft {

inline constexpr double kMinTemperature = 0.25, kMaxTemperature = 10;
// With fewer samples or mistakes a fit says little: the temperature runs towards zero.
inline constexpr size_t kMinCalibrationSamples = 100, kMinCalibrationMistakes = 3;

// What a model said of labelled pictures: [N, classes], row-major, before any temperature, and the true classes [N].
struct LabelledLogits {
  size_t classes = 0;
  std::vector<float> logits;
  std::vector<size_t> truths;

  std::span<const float> row(size_t sample) const { return std::span(logits).subspan(sample * classes, classes); }
};

// The T in [0.25, 10] that minimises the mean negative log likelihood + 10 (log T)^2 / N: the prior keeps small
// samples near 1. `samples` are rows of `judged`, at least one.
double fit_temperature(const LabelledLogits& judged, std::span<const size_t> samples);

struct Calibration {
  double temperature = 1;  // to be used from now on
  bool fitted = false;     // false: too little to fit on, `temperature` is the old one
  std::string why;         // a sentence for people
  size_t mistakes = 0;
  ClassificationScores before;  // with the old temperature
  // Cross-fitted: the samples of each class go by turns to one of two halves, and each half is judged with the
  // temperature of the other. As `before` where nothing was fitted.
  ClassificationScores after;
};
Calibration calibrate(const LabelledLogits& judged, double old_temperature);

}  // namespace resnetft
