// SPDX-License-Identifier: MIT
// How well a net does on a source, judged at temperature 1.
#pragma once

#include <functional>

#include "model/torch/resnet.h"
#include "train/meters.h"
#include "train/torch/batch_source.h"

namespace resnetft {

// The first `images` of the source, in order. Leaves every module in the mode that it was in. `pause` is called after
// each batch with the pictures done; false: Cancelled.
Result<ClassificationScores> evaluate(ResNet& net, BatchSource& source, size_t images,
                                      const std::function<bool(size_t done)>& pause);

}  // namespace resnetft
