// SPDX-License-Identifier: MIT
#include "image/geometry.h"

#include <algorithm>
#include <cmath>

namespace resnetft {
namespace {

// torchvision's center_crop rounds half to even, as Python's round() does; so does nearbyint(). What is missing goes
// half in front, rounded down, and the rest behind.
Axis centred(int full, int size) {
  if (full < size) return {full, 0, full, (size - full) / 2};
  return {full, static_cast<int>(std::nearbyint((full - size) / 2.0)), size, 0};
}

// The long side of torchvision's resize(): truncated, not rounded.
int long_side(int resize, int longer, int shorter) {
  return static_cast<int>(static_cast<int64_t>(resize) * longer / shorter);
}

Size shortest_side_resized(int resize, Size source) {
  if (resize == 0) return source;
  if (source.width <= source.height) return {resize, long_side(resize, source.height, source.width)};
  return {long_side(resize, source.width, source.height), resize};
}

int scaled(int side, int numerator, int denominator) {
  const int64_t product = static_cast<int64_t>(side) * numerator;
  return std::max(1, static_cast<int>((product + denominator / 2) / denominator));
}

Size fitted(Size box, Size source) {
  const bool wide = static_cast<int64_t>(source.width) * box.height >= static_cast<int64_t>(source.height) * box.width;
  if (wide) return {box.width, scaled(source.height, box.width, source.width)};
  return {scaled(source.width, box.height, source.height), box.height};
}

}  // namespace

Turn turn_of(Orientation orientation) {
  static constexpr Turn kTurns[] = {
      {false, false, false}, {false, true, false}, {false, true, true}, {false, false, true},
      {true, false, false},  {true, true, false},  {true, true, true},  {true, false, true},
  };
  return kTurns[static_cast<int>(orientation) - 1];
}

Region region_of(const ImageView& image) {
  if (image.region.width == 0 || image.region.height == 0) return {0, 0, image.width, image.height};
  return image.region;
}

Size turned_size(const ImageView& image) {
  const Region region = region_of(image);
  if (turn_of(image.orientation).transposed) return {region.height, region.width};
  return {region.width, region.height};
}

Axes axes_of(const PreprocessSpec& spec, Size source) {
  const Size box = {spec.crop_width, spec.crop_height};
  const Size full = spec.mode == ResizeMode::Crop      ? shortest_side_resized(spec.resize, source)
                    : spec.mode == ResizeMode::Stretch ? box
                                                       : fitted(box, source);
  return {centred(full.width, box.width), centred(full.height, box.height)};
}

namespace {

int halving_of(const Axis& axis, int source, double reducing_gap) {
  int factor = 1;
  while (factor < kMostHalved && source % (2 * factor) == 0 && source >= reducing_gap * axis.full * 2 * factor)
    factor *= 2;
  return factor;
}

}  // namespace

Halving halving_of(const Axes& axes, Size source, bool transposed, double reducing_gap) {
  if (reducing_gap <= 0 || transposed) return {};
  return {halving_of(axes.columns, source.width, reducing_gap), halving_of(axes.rows, source.height, reducing_gap)};
}

}  // namespace resnetft
