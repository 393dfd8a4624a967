// SPDX-License-Identifier: MIT
#include "live/instant_head.h"

#include <algorithm>
#include <cmath>

namespace resnetft {
namespace {

// Hayes and Kanan's: what is left of the identity however many samples there are.
constexpr double kLeastShrinkage = 1e-4;

// The share of the identity (times the mean variance) in the covariance of `n` samples, from its trace and that of its
// square.
double oas_shrinkage(double trace, double trace_of_square, double n, double dimensions) {
  const double above = (1 - 2 / dimensions) * trace_of_square + trace * trace;
  const double below = (n + 1 - 2 / dimensions) * (trace_of_square - trace * trace / dimensions);
  return below > 0 ? std::clamp(above / below, kLeastShrinkage, 1.0) : 1.0;
}

// In place: the upper triangle of a positive definite matrix becomes U with U^T U = it. False where it is not. Rows are
// swept from left to right, which the compiler vectorises.
bool cholesky(std::vector<double>& matrix, size_t size) {
  for (size_t k = 0; k < size; ++k) {
    double* const pivot = &matrix[k * size];
    if (!(pivot[k] > 0)) return false;
    const double root = std::sqrt(pivot[k]);
    for (size_t j = k; j < size; ++j) pivot[j] /= root;
    for (size_t i = k + 1; i < size; ++i) {
      double* const row = &matrix[i * size];
      const double factor = pivot[i];
      if (factor == 0) continue;
      for (size_t j = i; j < size; ++j) row[j] -= factor * pivot[j];
    }
  }
  return true;
}

// U^T U x = right, in place.
void solve(const std::vector<double>& upper, std::vector<double>& right) {
  const size_t size = right.size();
  for (size_t k = 0; k < size; ++k) {
    const double* const row = &upper[k * size];
    right[k] /= row[k];
    for (size_t j = k + 1; j < size; ++j) right[j] -= row[j] * right[k];
  }
  for (size_t k = size; k-- > 0;) {
    const double* const row = &upper[k * size];
    double sum = right[k];
    for (size_t j = k + 1; j < size; ++j) sum -= row[j] * right[j];
    right[k] = sum / row[k];
  }
}

}  // namespace

InstantHead::InstantHead(InstantHeadKind kind, size_t features) : kind_(kind), features_(features) {
  if (kind == InstantHeadKind::Lda) scatter_.resize(features * features);
}

void InstantHead::add(const std::string& label, std::span<const float> feature) {
  if (!means_.contains(label)) labels_.push_back(label);
  ClassMean& known = means_[label];
  known.mean.resize(features_);
  std::vector<double> apart(features_);
  for (size_t i = 0; i < features_; ++i) apart[i] = feature[i] - known.mean[i];
  // Welford: a class's first sample sets its mean and scatters nothing.
  const double n = static_cast<double>(known.samples), share = n / (n + 1);
  for (size_t i = 0; i < features_; ++i) trace_ += share * apart[i] * apart[i];
  if (kind_ == InstantHeadKind::Lda && share > 0)
    for (size_t i = 0; i < features_; ++i) {
      const double factor = share * apart[i];
      double* const row = &scatter_[i * features_];
      for (size_t j = i; j < features_; ++j) row[j] += factor * apart[j];
    }
  for (size_t i = 0; i < features_; ++i) known.mean[i] += apart[i] / (n + 1);
  ++known.samples;
  ++samples_;
}

uint64_t InstantHead::samples(std::string_view label) const {
  const auto found = means_.find(label);
  return found == means_.end() ? 0 : found->second.samples;
}

std::vector<double> InstantHead::shrunk_covariance() const {
  const double n = static_cast<double>(samples_ - means_.size());
  const double dimensions = static_cast<double>(features_);
  std::vector<double> covariance = scatter_;
  double square = 0;
  for (size_t i = 0; i < features_; ++i)
    for (size_t j = i; j < features_; ++j) {
      double& value = covariance[i * features_ + j];
      value /= n;
      square += (i == j ? 1 : 2) * value * value;
    }
  const double trace = trace_ / n, identity = oas_shrinkage(trace, square, n, dimensions);
  for (size_t i = 0; i < features_; ++i) {
    for (size_t j = i; j < features_; ++j) covariance[i * features_ + j] *= 1 - identity;
    covariance[i * features_ + i] += identity * trace / dimensions;
  }
  return covariance;
}

Result<LinearHead> InstantHead::head() const {
  if (means_.size() < 2)
    return Error{ErrorCode::InvalidArgument,
                 "a head needs two classes; there is " + (labels_.empty() ? "none" : "only '" + labels_[0] + "'"),
                 "label frames of another class, too"};
  // Without two samples of a class nothing is known of how samples scatter.
  const bool scattered = trace_ > 0 && samples_ > means_.size();
  const bool full = kind_ == InstantHeadKind::Lda && scattered;
  const double variance =
      scattered ? trace_ / static_cast<double>(samples_ - means_.size()) / static_cast<double>(features_) : 1;
  std::vector<double> factors;
  if (full) factors = shrunk_covariance();
  if (full && !cholesky(factors, features_))
    return Error{ErrorCode::Internal, "the covariance of the features is not positive definite",
                 "features may not be finite: check the model"};

  // Discriminants around the mean of the class means: the same differences, and smaller numbers.
  std::vector<double> centre(features_);
  for (const auto& [label, known] : means_)
    for (size_t i = 0; i < features_; ++i) centre[i] += known.mean[i] / static_cast<double>(means_.size());
  LinearHead head{labels_, features_, {}, {}};
  head.weight.reserve(labels_.size() * features_);
  for (const std::string& label : labels_) {
    const std::vector<double>& mean = means_.find(label)->second.mean;
    std::vector<double> apart(features_);
    for (size_t i = 0; i < features_; ++i) apart[i] = mean[i] - centre[i];
    std::vector<double> row = apart;
    if (full)
      solve(factors, row);
    else
      for (double& value : row) value /= variance;
    double bias = 0;
    for (size_t i = 0; i < features_; ++i) bias -= row[i] * (centre[i] + apart[i] / 2);
    head.weight.insert(head.weight.end(), row.begin(), row.end());
    head.bias.push_back(static_cast<float>(bias));
  }
  if (!head.is_finite())
    return Error{ErrorCode::Internal, "the instant head is not finite", "features may not be finite: check the model"};
  return head;
}

}  // namespace resnetft
