// SPDX-License-Identifier: MIT
// Which source pixels make which output pixels, and with which weights: the filters of Pillow's resize for the part
// that a crop keeps, worked out once for a size.
#pragma once

#include <cstdint>
#include <vector>

#include "resnetft/preprocess.h"

namespace resnetft {

// The source pixels that make one output pixel: `count` of them from `first` on, weights from `offset` on in the
// axis's list.
struct Taps {
  int first;
  int count;
  size_t offset;
};

// One axis of a resize: `taps.size()` output pixels, to be written from `start` on; what lies outside is filled.
struct AxisPlan {
  int start = 0;
  std::vector<Taps> taps;
  std::vector<int32_t> weights;

  int first_source() const { return taps.front().first; }
  int end_source() const { return taps.back().first + taps.back().count; }
};

struct ResizePlan {
  AxisPlan columns;
  AxisPlan rows;
};

// For a picture of `width` x `height`, turned already.
ResizePlan plan_resize(const PreprocessSpec& spec, int width, int height);

}  // namespace resnetft
