// SPDX-License-Identifier: MIT
// From a frame to the small picture that is kept of it, such that the model sees in the small picture what it would
// have seen in the frame: its own PreprocessSpec is applied to either.
#pragma once

#include <array>
#include <optional>

#include "image/geometry.h"
#include "live/sample.h"
#include "resnetft/error.h"
#include "resnetft/image.h"
#include "resnetft/preprocess.h"

namespace resnetft {

// What kept pictures are held in: the model's crop and an eighth of margin, rounded up.
Size kept_size(const PreprocessSpec& model);

// Crop: the shorter side becomes the slot's shorter side, whatever the card's `resize` is, and the centre is kept. The
// card's resize then scales the slot as it would have scaled the frame, and its crop finds the same place. Without a
// resize (0) the centre is kept as it is. A card whose resize is below its crop pads: its pictures are only as high
// (or, upright, as wide) as its resize and the margin, so that the card pads them in the same way.
// Stretch: stretched to the slot. Letterbox: fitted into the slot, bars included; slot and crop have the same shape, so
// the card's letterbox only scales it.
// `upright`: the frame is higher than wide.
PreprocessSpec reduction_spec(const PreprocessSpec& model, Size slot, bool upright);

// Reentrant, not thread-safe. Allocates nothing from the second frame of a size on.
class Reduction {
 public:
  Reduction(const PreprocessSpec& model, Size slot) : model_(model), slot_(slot) {}

  // Errors of Preprocessor. `picture.rgb` keeps its memory where that is large enough: the slot's is for every picture.
  Status run(const ImageView& image, SmallPicture& picture);

 private:
  PreprocessSpec model_;
  Size slot_;
  std::array<std::optional<Preprocessor>, 2> preprocessors_;  // for lying and for upright frames
};

// A picture as an ImageView, borrowed.
ImageView view_of(const SmallPicture& picture);

}  // namespace resnetft
