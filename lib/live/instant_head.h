// SPDX-License-Identifier: MIT
// A head that is usable from the first samples: it follows class means and one shared covariance, a sample at a time,
// without gradients.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "live/linear_head.h"
#include "resnetft/error.h"

namespace resnetft {

enum class InstantHeadKind { Lda, Means, Off };

// Lda: streaming linear discriminant analysis (Hayes and Kanan 2020, "Lifelong Machine Learning with Deep Streaming
// Linear Discriminant Analysis"), with the exact pooled within-class scatter and the amount of shrinkage chosen from
// the samples (OAS, Chen et al. 2010, equation 23) rather than fixed. Means: the same with a covariance that is one
// variance for all directions: the nearest class mean. Classes are equally likely whatever their counts.
// Reentrant, not thread-safe.
class InstantHead {
 public:
  InstantHead(InstantHeadKind kind, size_t features);

  // `feature` has that many values. A label never seen begins a class.
  void add(const std::string& label, std::span<const float> feature);

  size_t classes() const { return means_.size(); }
  uint64_t samples() const { return samples_; }
  uint64_t samples(std::string_view label) const;

  // Labels in the order in which they were first seen. InvalidArgument with fewer than two classes; Internal where
  // features were not finite. Costs features^3 / 3 multiply-adds with Lda.
  Result<LinearHead> head() const;

 private:
  struct ClassMean {
    uint64_t samples = 0;
    std::vector<double> mean;
  };
  std::vector<double> shrunk_covariance() const;  // [features, features], the upper triangle

  InstantHeadKind kind_;
  size_t features_;
  uint64_t samples_ = 0;
  std::vector<std::string> labels_;
  std::map<std::string, ClassMean, std::less<>> means_;
  std::vector<double> scatter_;  // Lda: [features, features], the upper triangle
  double trace_ = 0;             // of the scatter
};

}  // namespace resnetft
