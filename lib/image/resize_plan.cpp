// SPDX-License-Identifier: MIT
#include "image/resize_plan.h"

#include <algorithm>
#include <cmath>

#include "image/pixel_math.h"

namespace resnetft {
namespace {

// One axis of the whole resized picture, and the part of it that is kept.
struct Extent {
  int full;    // the side of the whole resized picture
  int offset;  // the first output pixel that is kept
  int kept;    // how many are kept
  int start;   // where the first of them stands in the output
};

void add_taps(AxisPlan& axis, int output, int source, int full, Interpolation interpolation) {
  const bool bicubic = interpolation == Interpolation::Bicubic;
  const double scale = static_cast<double>(source) / full;
  const double stretch = std::max(scale, 1.0);
  const double support = filter_support(bicubic) * stretch;
  const double centre = (output + 0.5) * scale;
  const int first = std::max(0, static_cast<int>(centre - support + 0.5));
  const int end = std::min(source, static_cast<int>(centre + support + 0.5));
  std::vector<double> weights;
  double sum = 0.0;
  for (int x = first; x < end; ++x) {
    const double distance = (x - centre + 0.5) / stretch;
    weights.push_back(bicubic ? cubic_filter(distance) : triangle_filter(distance));
    sum += weights.back();
  }
  axis.taps.push_back({first, end - first, axis.weights.size()});
  for (const double weight : weights) axis.weights.push_back(to_fixed_point(weight / sum));
}

AxisPlan plan_axis(const Extent& extent, int source, Interpolation interpolation) {
  AxisPlan axis;
  axis.start = extent.start;
  for (int i = 0; i < extent.kept; ++i) add_taps(axis, extent.offset + i, source, extent.full, interpolation);
  return axis;
}

// torchvision's center_crop: what is missing is padded, (crop - full) / 2 before and the rest behind; what is too much
// is cut, beginning at round(half the surplus) with Python's round(), half to even, as nearbyint() does.
Extent centred(int full, int crop) {
  if (full < crop) return {full, 0, full, (crop - full) / 2};
  return {full, static_cast<int>(std::nearbyint((full - crop) / 2.0)), crop, 0};
}

// The long side of torchvision's resize(): truncated, not rounded.
int scaled(int side, int numerator, int denominator) {
  return std::max(1, static_cast<int>(static_cast<int64_t>(side) * numerator / denominator));
}

struct Size {
  int width, height;
};

Size resized(const PreprocessSpec& spec, int width, int height) {
  if (spec.mode == ResizeMode::Stretch) return {spec.crop_width, spec.crop_height};
  if (spec.mode == ResizeMode::Letterbox) {
    const bool by_width =
        static_cast<int64_t>(spec.crop_width) * height <= static_cast<int64_t>(spec.crop_height) * width;
    if (by_width) return {spec.crop_width, scaled(height, spec.crop_width, width)};
    return {scaled(width, spec.crop_height, height), spec.crop_height};
  }
  if (spec.resize == 0) return {width, height};
  if (width <= height) return {spec.resize, scaled(spec.resize, height, width)};
  return {scaled(spec.resize, width, height), spec.resize};
}

}  // namespace

ResizePlan plan_resize(const PreprocessSpec& spec, int width, int height) {
  const Size size = resized(spec, width, height);
  return {plan_axis(centred(size.width, spec.crop_width), width, spec.interpolation),
          plan_axis(centred(size.height, spec.crop_height), height, spec.interpolation)};
}

}  // namespace resnetft
