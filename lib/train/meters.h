// SPDX-License-Identifier: MIT
// Meters: add one judgement after the other, read the value when asked.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace resnetft {

// Equal widths over [0, 1], as in Guo et al. 2017, section 2: bin m holds confidences in (m / 15, (m + 1) / 15].
inline constexpr size_t kCalibrationBins = 15;

struct CalibrationBin {
  int64_t images = 0;
  double confidence = 0;  // mean, of the class judged best
  double accuracy = 0;
};

// What has nothing to divide by is 0: the recall of a class without images, the precision of one never named.
struct ClassScore {
  int64_t images = 0;
  double precision = 0;
  double recall = 0;
  double f1 = 0;  // their harmonic mean
};

struct ClassificationScores {
  int64_t images = 0;
  double top1 = 0;
  double top5 = 0;
  double loss = 0;      // mean negative logarithm of the true class's confidence
  double macro_f1 = 0;  // mean f1 of the classes that have images
  double ece = 0;       // expected calibration error: mean of |accuracy - confidence| over bins, weighed by images
  std::vector<ClassScore> classes;
  std::vector<int64_t> confusion;  // [true class, named class], row-major
  std::array<CalibrationBin, kCalibrationBins> bins;
};

// Not thread-safe.
class ClassificationMeter {
 public:
  explicit ClassificationMeter(size_t num_classes);

  // `confidences` of one image: one for each class, adding up to 1. The best is the largest, the lower id where two
  // are equal. `truth` is below the number of classes.
  void add(size_t truth, std::span<const double> confidences);
  ClassificationScores value() const;
  void reset();

 private:
  size_t num_classes_;
  int64_t images_ = 0;
  int64_t top5_ = 0;
  double loss_sum_ = 0;
  std::vector<int64_t> confusion_;
  std::array<int64_t, kCalibrationBins> bin_images_ = {};
  std::array<int64_t, kCalibrationBins> bin_correct_ = {};
  std::array<double, kCalibrationBins> bin_confidence_sum_ = {};
};

}  // namespace resnetft
