// SPDX-License-Identifier: MIT
#include "train/calibration.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "infer/judge.h"

namespace resnetft {
namespace {

constexpr double kPriorWeight = 10;

// What fit_temperature() minimises, at T = exp(log_temperature).
double objective(const LabelledLogits& judged, std::span<const size_t> samples, double log_temperature) {
  const double inverse = std::exp(-log_temperature);
  double sum = 0;
  for (const size_t sample : samples) {
    const std::span<const float> row = judged.row(sample);
    const double largest = *std::ranges::max_element(row);
    double exponentials = 0;
    for (const float logit : row) exponentials += std::exp((logit - largest) * inverse);
    sum += std::log(exponentials) - (row[judged.truths[sample]] - largest) * inverse;
  }
  return (sum + kPriorWeight * log_temperature * log_temperature) / static_cast<double>(samples.size());
}

size_t named_class(std::span<const float> row) {
  return static_cast<size_t>(std::ranges::max_element(row) - row.begin());
}

using Halves = std::array<std::vector<size_t>, 2>;

// Each class's samples by turns, so that both halves know every class.
Halves halves_of(const LabelledLogits& judged) {
  Halves halves;
  std::vector<size_t> seen(judged.classes);
  for (size_t i = 0; i < judged.truths.size(); ++i) halves[seen[judged.truths[i]]++ % 2].push_back(i);
  return halves;
}

void judge(const LabelledLogits& judged, std::span<const size_t> samples, double temperature,
           ClassificationMeter& meter) {
  for (const size_t sample : samples) meter.add(judged.truths[sample], confidences(judged.row(sample), temperature));
}

ClassificationScores cross_fitted(const LabelledLogits& judged) {
  const Halves halves = halves_of(judged);
  ClassificationMeter meter(judged.classes);
  for (size_t half = 0; half < 2; ++half) judge(judged, halves[half], fit_temperature(judged, halves[1 - half]), meter);
  return meter.value();
}

std::string counted(size_t samples, size_t mistakes) {
  return std::to_string(samples) + " samples with " + std::to_string(mistakes) + " mistakes";
}

}  // namespace

// A grid finds the valley (the likelihood is convex in 1 / T, the sum with the prior need not be), a golden-section
// search its bottom.
double fit_temperature(const LabelledLogits& judged, std::span<const size_t> samples) {
  constexpr int kGrid = 40;
  const double low = std::log(kMinTemperature), high = std::log(kMaxTemperature), step = (high - low) / kGrid;
  int best = 0;
  double best_value = objective(judged, samples, low);
  for (int i = 1; i <= kGrid; ++i) {
    const double value = objective(judged, samples, low + step * i);
    if (value < best_value) best = i, best_value = value;
  }
  constexpr double kGolden = 0.6180339887498949;
  constexpr double kTolerance = 1e-7;
  double left = std::max(low, low + step * (best - 1)), right = std::min(high, low + step * (best + 1));
  double inner_left = right - kGolden * (right - left), inner_right = left + kGolden * (right - left);
  double value_left = objective(judged, samples, inner_left), value_right = objective(judged, samples, inner_right);
  while (right - left > kTolerance) {
    if (value_left <= value_right) {
      right = inner_right, inner_right = inner_left, value_right = value_left;
      inner_left = right - kGolden * (right - left);
      value_left = objective(judged, samples, inner_left);
    } else {
      left = inner_left, inner_left = inner_right, value_left = value_right;
      inner_right = left + kGolden * (right - left);
      value_right = objective(judged, samples, inner_right);
    }
  }
  return std::clamp(std::exp((left + right) / 2), kMinTemperature, kMaxTemperature);
}

Calibration calibrate(const LabelledLogits& judged, double old_temperature) {
  std::vector<size_t> all(judged.truths.size());
  Calibration calibration;
  calibration.temperature = old_temperature;
  for (size_t i = 0; i < all.size(); ++i) {
    all[i] = i;
    calibration.mistakes += named_class(judged.row(i)) != judged.truths[i];
  }
  ClassificationMeter meter(judged.classes);
  judge(judged, all, old_temperature, meter);
  calibration.before = calibration.after = meter.value();

  char temperature[40];
  calibration.fitted = all.size() >= kMinCalibrationSamples && calibration.mistakes >= kMinCalibrationMistakes;
  if (calibration.fitted) {
    calibration.temperature = fit_temperature(judged, all);
    calibration.after = cross_fitted(judged);
    std::snprintf(temperature, sizeof temperature, "%.4f", calibration.temperature);
    calibration.why =
        std::string("temperature ") + temperature + ", fitted to " + counted(all.size(), calibration.mistakes);
  } else {
    std::snprintf(temperature, sizeof temperature, "%.4g", old_temperature);
    calibration.why = std::string("the temperature stays ") + temperature + ": " +
                      counted(all.size(), calibration.mistakes) + " are too few to fit it on (" +
                      std::to_string(kMinCalibrationSamples) + " and " + std::to_string(kMinCalibrationMistakes) +
                      " are needed)";
  }
  return calibration;
}

}  // namespace resnetft
