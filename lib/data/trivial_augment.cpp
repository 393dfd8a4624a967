// SPDX-License-Identifier: MIT
#include "data/trivial_augment.h"

#include <array>
#include <cmath>
#include <numbers>
#include <utility>

namespace resnetft {
namespace {

struct OperationRow {
  std::string_view name;
  float first, last;  // magnitudes of the strengths 0 and 30, in even steps between
  bool is_signed;
};

constexpr std::array<OperationRow, kTrivialOperations> kRows = {{
    {"Identity", 0, 0, false},
    {"ShearX", 0, 0.99f, true},
    {"ShearY", 0, 0.99f, true},
    {"TranslateX", 0, 32, true},
    {"TranslateY", 0, 32, true},
    {"Rotate", 0, 135, true},
    {"Brightness", 0, 0.99f, true},
    {"Color", 0, 0.99f, true},
    {"Contrast", 0, 0.99f, true},
    {"Sharpness", 0, 0.99f, true},
    {"Posterize", 8, 2, false},
    {"Solarize", 255, 0, false},
    {"AutoContrast", 0, 0, false},
    {"Equalize", 0, 0, false},
}};

const OperationRow& row_of(TrivialOperation operation) { return kRows[static_cast<size_t>(operation)]; }

// In single precision and from the nearer end, as torch.linspace().
double in_steps(float first, float last, int strength) {
  const float step = (last - first) / (kTrivialStrengths - 1);
  if (strength < kTrivialStrengths / 2) return first + step * static_cast<float>(strength);
  return last - step * static_cast<float>(kTrivialStrengths - 1 - strength);
}

// Counterclockwise about the centre. Sines and cosines are rounded to 15 places as Pillow does, so that a right angle
// is one.
void rotate(RgbPicture picture, double degrees) {
  const auto rounded = [](double value) { return std::round(value * 1e15) / 1e15; };
  const double angle = -degrees * std::numbers::pi / 180;
  const double cosine = rounded(std::cos(angle)), sine = rounded(std::sin(angle));
  const double x = picture.width / 2.0, y = picture.height / 2.0;
  transform_affine(picture, {cosine, sine, x - cosine * x - sine * y, -sine, cosine, y + sine * x - cosine * y});
}

}  // namespace

std::string_view trivial_operation_name(TrivialOperation operation) { return row_of(operation).name; }

bool is_signed(TrivialOperation operation) { return row_of(operation).is_signed; }

double trivial_magnitude(TrivialOperation operation, int strength) {
  const OperationRow& row = row_of(operation);
  if (operation == TrivialOperation::Posterize) return 8 - std::nearbyint(strength / 5.0f);
  return in_steps(row.first, row.last, strength);
}

void apply_trivial_operation(TrivialOperation operation, double magnitude, RgbPicture picture) {
  const auto factor = static_cast<float>(1 + magnitude);
  switch (operation) {
    case TrivialOperation::Identity:
      return;
    case TrivialOperation::ShearX:
      return transform_affine(picture, {1, magnitude, 0, 0, 1, 0});
    case TrivialOperation::ShearY:
      return transform_affine(picture, {1, 0, 0, magnitude, 1, 0});
    case TrivialOperation::TranslateX:
      return transform_affine(picture, {1, 0, -std::trunc(magnitude), 0, 1, 0});
    case TrivialOperation::TranslateY:
      return transform_affine(picture, {1, 0, 0, 0, 1, -std::trunc(magnitude)});
    case TrivialOperation::Rotate:
      return rotate(picture, magnitude);
    case TrivialOperation::Brightness:
      return adjust_brightness(picture, factor);
    case TrivialOperation::Color:
      return adjust_saturation(picture, factor);
    case TrivialOperation::Contrast:
      return adjust_contrast(picture, factor);
    case TrivialOperation::Sharpness:
      return adjust_sharpness(picture, factor);
    case TrivialOperation::Posterize:
      return posterize(picture, static_cast<int>(magnitude));
    case TrivialOperation::Solarize:
      return solarize(picture, magnitude);
    case TrivialOperation::AutoContrast:
      return autocontrast(picture);
    case TrivialOperation::Equalize:
      return equalize(picture);
  }
}

void trivial_augment(RgbPicture picture, CounterRandom& random) {
  const auto operation = static_cast<TrivialOperation>(random.below(kTrivialOperations));
  const int strength = static_cast<int>(random.below(kTrivialStrengths));
  const bool negative = random.below(2) == 1 && is_signed(operation);
  const double magnitude = trivial_magnitude(operation, strength);
  apply_trivial_operation(operation, negative ? -magnitude : magnitude, picture);
}

void jitter_colors(RgbPicture picture, double strength, CounterRandom& random) {
  constexpr double kHueShare = 0.25;
  std::array<int, 4> order = {0, 1, 2, 3};
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(static_cast<uint32_t>(i))]);
  std::array<float, 3> factors;
  for (float& factor : factors) factor = static_cast<float>(random.uniform(1 - strength, 1 + strength));
  const auto turns = static_cast<float>(random.uniform(-kHueShare * strength, kHueShare * strength));
  for (const int change : order) {
    if (change == 0) adjust_brightness(picture, factors[0]);
    if (change == 1) adjust_contrast(picture, factors[1]);
    if (change == 2) adjust_saturation(picture, factors[2]);
    if (change == 3) shift_hue(picture, turns);
  }
}

}  // namespace resnetft
