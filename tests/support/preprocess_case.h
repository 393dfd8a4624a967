// SPDX-License-Identifier: MIT
// Random pictures with random specs: formats, strides, colours, turns, regions, ratios.
#pragma once

#include <sstream>

#include "resnetft/preprocess.h"
#include "tests/support/picture.h"

namespace resnetft::testing {

struct PreprocessCase {
  PreprocessSpec spec;
  Picture picture;

  std::string text() const {
    std::ostringstream out;
    const ImageView& view = picture.view;
    out << "format " << static_cast<int>(view.format) << " " << view.width << "x" << view.height << " stride "
        << view.strides[0] << " orientation " << static_cast<int>(view.orientation) << " region " << view.region.x
        << "," << view.region.y << " " << view.region.width << "x" << view.region.height << " mode "
        << static_cast<int>(spec.mode) << " resize " << spec.resize << " crop " << spec.crop_width << "x"
        << spec.crop_height << (spec.interpolation == Interpolation::Bicubic ? " bicubic" : " bilinear");
    return out.str();
  }
};

// Mostly small, sometimes long in one direction.
inline int random_side(Random& random) { return draw(random, 0, 9) == 0 ? draw(random, 1, 700) : draw(random, 1, 48); }

inline PreprocessCase random_case(Random& random) {
  PreprocessCase result;
  PreprocessSpec& spec = result.spec;
  spec.mode = static_cast<ResizeMode>(draw(random, 0, 2));
  spec.interpolation = static_cast<Interpolation>(draw(random, 0, 1));
  spec.resize = draw(random, 0, 4) == 0 ? 0 : draw(random, 1, 50);
  spec.crop_width = draw(random, 1, 45);
  spec.crop_height = draw(random, 1, 45);
  result.picture =
      random_picture(random, static_cast<PixelFormat>(draw(random, 0, 16)), random_side(random), random_side(random));
  ImageView& view = result.picture.view;
  view.matrix = static_cast<ColorMatrix>(draw(random, 0, 2));
  view.range = static_cast<ColorRange>(draw(random, 0, 1));
  view.orientation = static_cast<Orientation>(draw(random, 1, 8));
  if (draw(random, 0, 2) == 0) {
    const int x = draw(random, 0, view.width - 1), y = draw(random, 0, view.height - 1);
    view.region = {x, y, draw(random, 1, view.width - x), draw(random, 1, view.height - y)};
  }
  return result;
}

}  // namespace resnetft::testing
