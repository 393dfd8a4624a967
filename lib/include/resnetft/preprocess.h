// SPDX-License-Identifier: MIT
// From a picture to a model's input: resize, centre crop, mean and standard deviation, as Pillow and torchvision do it.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "resnetft/error.h"
#include "resnetft/image.h"

namespace resnetft {

// Bilinear is the triangle filter, Bicubic Keys' with a = -0.5; both antialiased when they reduce, as in Pillow.
enum class Interpolation { Bilinear, Bicubic };

// Crop: the shortest side becomes `resize` pixels, then the centre is kept. Stretch: both sides become the crop's.
enum class ResizeMode { Crop, Stretch };

// What a model wants to see; it comes from the model's card. `mean` and `std` are of values in [0, 1], in the order R,
// G, B.
struct PreprocessSpec {
  ResizeMode mode = ResizeMode::Crop;
  Interpolation interpolation = Interpolation::Bilinear;
  int resize = 256;
  int crop_width = 224;
  int crop_height = 224;
  std::array<float, 3> mean = {0.485f, 0.456f, 0.406f};
  std::array<float, 3> std = {0.229f, 0.224f, 0.225f};
};

// The resized and cropped picture, [crop_height, crop_width, 3] in R, G, B. `pixels` has exactly that many bytes.
// Computes only the rows and columns that the crop keeps; memory is bounded by the source's size plus the output's.
// InvalidArgument: no pixels, a crop that is larger than the resized picture, sizes outside 1 to 32768.
Status preprocess_to_pixels(const PreprocessSpec& spec, const ImageView& image, std::span<uint8_t> pixels);

// The same as floats, (value / 255 - mean) / std, shape [3, crop_height, crop_width].
Status preprocess_to_tensor(const PreprocessSpec& spec, const ImageView& image, std::span<float> tensor);

}  // namespace resnetft
