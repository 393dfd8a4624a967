// SPDX-License-Identifier: MIT
#include "live/reduction.h"

#include <algorithm>

namespace resnetft {
namespace {

// Pillow's thumbnail() has the same.
constexpr double kReducingGap = 2;

int with_margin(int side) { return side + (side + 7) / 8; }

}  // namespace

Size kept_size(const PreprocessSpec& model) { return {with_margin(model.crop_width), with_margin(model.crop_height)}; }

PreprocessSpec reduction_spec(const PreprocessSpec& model, Size slot, bool upright) {
  PreprocessSpec spec = model;
  spec.crop_width = slot.width;
  spec.crop_height = slot.height;
  if (model.mode != ResizeMode::Crop || model.resize == 0) return spec;
  spec.resize = std::min(slot.width, slot.height);
  if (model.resize >= std::min(model.crop_width, model.crop_height)) return spec;
  spec.resize = std::min(spec.resize, with_margin(model.resize));
  (upright ? spec.crop_width : spec.crop_height) = spec.resize;
  return spec;
}

Status Reduction::run(const ImageView& image, SmallPicture& picture) {
  const Size size = turned_size(image);
  const bool upright = size.height > size.width;
  std::optional<Preprocessor>& preprocessor = preprocessors_[upright];
  if (!preprocessor) {
    Result<Preprocessor> made = Preprocessor::create(reduction_spec(model_, slot_, upright), kReducingGap);
    if (!made) return made.error();
    preprocessor = std::move(*made);
  }
  picture.width = preprocessor->spec().crop_width;
  picture.height = preprocessor->spec().crop_height;
  picture.rgb.resize(static_cast<size_t>(picture.width) * static_cast<size_t>(picture.height) * 3);
  return preprocessor->to_pixels(image, picture.rgb);
}

ImageView view_of(const SmallPicture& picture) {
  return {.format = PixelFormat::Rgb,
          .width = picture.width,
          .height = picture.height,
          .planes = {picture.rgb.data()},
          .strides = {ptrdiff_t{3} * picture.width}};
}

}  // namespace resnetft
