// SPDX-License-Identifier: MIT
#include "train/meters.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace resnetft {
namespace {

double ratio(double part, int64_t whole) { return whole == 0 ? 0 : part / static_cast<double>(whole); }

size_t bin_of(double confidence) {
  const double position = std::ceil(confidence * static_cast<double>(kCalibrationBins)) - 1;
  return static_cast<size_t>(std::clamp(position, 0.0, static_cast<double>(kCalibrationBins - 1)));
}

// How many classes stand before `truth`.
int64_t rank_of(size_t truth, std::span<const double> confidences) {
  int64_t rank = 0;
  for (size_t i = 0; i < confidences.size(); ++i)
    rank += confidences[i] > confidences[truth] || (confidences[i] == confidences[truth] && i < truth);
  return rank;
}

ClassScore score_of(int64_t hits, int64_t images, int64_t named) {
  ClassScore score{images, ratio(static_cast<double>(hits), named), ratio(static_cast<double>(hits), images), 0};
  score.f1 = ratio(2.0 * static_cast<double>(hits), images + named);
  return score;
}

}  // namespace

ClassificationMeter::ClassificationMeter(size_t num_classes)
    : num_classes_(num_classes), confusion_(num_classes * num_classes) {}

void ClassificationMeter::add(size_t truth, std::span<const double> confidences) {
  const size_t best = static_cast<size_t>(std::ranges::max_element(confidences) - confidences.begin());
  ++images_;
  ++confusion_[truth * num_classes_ + best];
  top5_ += rank_of(truth, confidences) < 5;
  loss_sum_ -= std::log(std::max(confidences[truth], std::numeric_limits<double>::min()));
  const size_t bin = bin_of(confidences[best]);
  ++bin_images_[bin];
  bin_correct_[bin] += best == truth;
  bin_confidence_sum_[bin] += confidences[best];
}

ClassificationScores ClassificationMeter::value() const {
  ClassificationScores scores;
  scores.images = images_;
  scores.top5 = ratio(static_cast<double>(top5_), images_);
  scores.loss = ratio(loss_sum_, images_);
  scores.confusion = confusion_;

  int64_t correct = 0, classes_with_images = 0;
  double f1_sum = 0;
  for (size_t i = 0; i < num_classes_; ++i) {
    int64_t images = 0, named = 0;
    for (size_t j = 0; j < num_classes_; ++j) {
      images += confusion_[i * num_classes_ + j];
      named += confusion_[j * num_classes_ + i];
    }
    const int64_t hits = confusion_[i * num_classes_ + i];
    scores.classes.push_back(score_of(hits, images, named));
    correct += hits;
    classes_with_images += images > 0;
    f1_sum += images > 0 ? scores.classes.back().f1 : 0;
  }
  scores.top1 = ratio(static_cast<double>(correct), images_);
  scores.macro_f1 = ratio(f1_sum, classes_with_images);

  for (size_t i = 0; i < kCalibrationBins; ++i) {
    scores.bins[i] = {bin_images_[i], ratio(bin_confidence_sum_[i], bin_images_[i]),
                      ratio(static_cast<double>(bin_correct_[i]), bin_images_[i])};
    scores.ece += std::abs(scores.bins[i].accuracy - scores.bins[i].confidence) *
                  ratio(static_cast<double>(bin_images_[i]), images_);
  }
  return scores;
}

void ClassificationMeter::reset() { *this = ClassificationMeter(num_classes_); }

}  // namespace resnetft
