// SPDX-License-Identifier: MIT
// Cross-entropy with label smoothing, class weights and soft targets, as torch's CrossEntropyLoss, and the gradient of
// a linear head in closed form.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "train/recipe.h"

namespace resnetft {

// Of each class with `counts` pictures; their mean over the classes that have pictures is 1. Inverse: 1 / n. Effective
// (Cui et al. 2019, equation 5): (1 - b) / (1 - b^n) with b = 0.999. A class without pictures weighs 1. None: empty.
std::vector<float> class_weights(ClassWeights kind, std::span<const size_t> counts);

struct LossSpec {
  double label_smoothing = 0;
  at::Tensor class_weights = {};  // [C], or undefined
};

// The mean over a batch. `logits` [N, C]; `targets` int64 [N] (a mean weighed by the classes' weights), or float [N, C]
// shares that add up to 1 (a plain mean, as torch has it).
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets, const LossSpec& spec);

// The loss of a linear head and its gradients, without autograd: with q the smoothed, weighed targets,
// dL/dlogits = softmax * sum(q) - q, each divided by what the mean divides by.
struct HeadGradients {
  at::Tensor loss;    // scalar
  at::Tensor logits;  // [N, C]
  at::Tensor weight;  // [C, F]
  at::Tensor bias;    // [C]
};
HeadGradients head_gradients(const at::Tensor& features, const at::Tensor& weight, const at::Tensor& bias,
                             const at::Tensor& targets, const LossSpec& spec);

}  // namespace resnetft
