// SPDX-License-Identifier: MIT
// TrivialAugment (Mueller and Hutter 2021) in its wide space, as torchvision's TrivialAugmentWide defines it on Pillow
// pictures: one of fourteen operations, at one of 31 strengths. And colour jitter, torchvision's ColorJitter.
#pragma once

#include <string_view>

#include "data/augmentation.h"
#include "data/picture_operations.h"

namespace resnetft {

enum class TrivialOperation {
  Identity,
  ShearX,
  ShearY,
  TranslateX,
  TranslateY,
  Rotate,
  Brightness,
  Color,
  Contrast,
  Sharpness,
  Posterize,
  Solarize,
  AutoContrast,
  Equalize
};
inline constexpr int kTrivialOperations = 14;
inline constexpr int kTrivialStrengths = 31;

// torchvision's word: "ShearX".
std::string_view trivial_operation_name(TrivialOperation operation);
// Whether a strength may be negative, too.
bool is_signed(TrivialOperation operation);
// Of strength 0 to 30: a slope, pixels, degrees, a factor less 1, bits, a threshold; 0 where there is none.
double trivial_magnitude(TrivialOperation operation, int strength);

void apply_trivial_operation(TrivialOperation operation, double magnitude, RgbPicture picture);

// Draws an operation, its strength and its sign, and applies it.
void trivial_augment(RgbPicture picture, CounterRandom& random);

// Brightness, contrast and saturation by factors within 1 +- strength and hue within +- strength / 4 of the circle, in
// an order that is drawn, too.
void jitter_colors(RgbPicture picture, double strength, CounterRandom& random);

}  // namespace resnetft
