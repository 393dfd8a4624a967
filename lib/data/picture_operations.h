// SPDX-License-Identifier: MIT
// Changes of colour and shape, in place, on [height, width, 3] bytes in R, G, B. All but the hue give Pillow's pixels,
// which is what torchvision's augmentations are made of.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace resnetft {

struct RgbPicture {
  std::span<uint8_t> pixels;
  int width;
  int height;
};

// A mixture with black, with the gray mean, with the gray picture, with the smoothed picture: `factor` 0 gives that,
// 1 changes nothing, more goes beyond the picture.
void adjust_brightness(RgbPicture picture, float factor);
void adjust_contrast(RgbPicture picture, float factor);
void adjust_saturation(RgbPicture picture, float factor);
void adjust_sharpness(RgbPicture picture, float factor);

// Turns the colours around the circle of hues, by -0.5 to 0.5 of it.
void shift_hue(RgbPicture picture, float turns);

// Keeps the `bits` highest of each value; 0 to 8.
void posterize(RgbPicture picture, int bits);
// Inverts the values that are at least `threshold`.
void solarize(RgbPicture picture, double threshold);
// Stretches each channel to 0 to 255.
void autocontrast(RgbPicture picture);
// Spreads each channel's values so that they are equally frequent.
void equalize(RgbPicture picture);

// Pixel (x, y) becomes the one at (a x + b y + c, d x + e y + f), taken at the pixels' centres, the nearest; black
// outside. `inverse` is {a, b, c, d, e, f}; sides below 32768.
void transform_affine(RgbPicture picture, const std::array<double, 6>& inverse);

}  // namespace resnetft
