// SPDX-License-Identifier: MIT
// Sizes only: how a picture is turned, how large it becomes, and what the crop keeps of it.
#pragma once

#include "resnetft/image.h"
#include "resnetft/preprocess.h"

namespace resnetft {

struct Size {
  int width;
  int height;
  bool operator==(const Size&) const = default;
};

// An orientation, taken apart: first the sides are exchanged, then columns, then rows are read backwards.
struct Turn {
  bool transposed;
  bool mirror_columns;
  bool mirror_rows;
};
Turn turn_of(Orientation orientation);

// The picture's region, or all of it.
Region region_of(const ImageView& image);
// The region's size once it is turned.
Size turned_size(const ImageView& image);

// One axis of the output. Of a picture that was resized to `full` pixels, `count` beginning at `offset` are kept; the
// output has `before` pixels of padding in front of them and the rest behind.
struct Axis {
  int full;
  int offset;
  int count;
  int before;
};
struct Axes {
  Axis columns;
  Axis rows;
};
Axes axes_of(const PreprocessSpec& spec, Size source);

// How many columns and rows are averaged to one before the filters: powers of two, up to kMostHalved.
inline constexpr int kMostHalved = 16;
struct Halving {
  int columns = 1, rows = 1;
  bool operator==(const Halving&) const = default;
};
// The largest that divide the sides and leave at least `reducing_gap` times the resized picture; 0: none. Pictures that
// are transposed are not halved.
Halving halving_of(const Axes& axes, Size source, bool transposed, double reducing_gap);

}  // namespace resnetft
