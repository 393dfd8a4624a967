// SPDX-License-Identifier: MIT
// From logits to a judgement.
#pragma once

#include <span>

#include "resnetft/classifier.h"

namespace resnetft {

// softmax(logits / temperature), summed in double precision from the largest logit down; adds up to 1.
std::vector<double> confidences(std::span<const float> logits, double temperature);

// The `top_k` best classes (0: all), best first, ties by the lower id.
std::vector<ScoredClass> best_classes(const std::vector<double>& confidences, const ModelCard& card, size_t top_k);

}  // namespace resnetft
