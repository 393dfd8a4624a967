// SPDX-License-Identifier: MIT
#include "data/picture_operations.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace resnetft {
namespace {

using Histogram = std::array<uint64_t, 256>;
using Table = std::array<uint8_t, 256>;

// Pillow's weights of ITU-R 601, in 16 bits.
uint8_t gray_of(const uint8_t* rgb) {
  return static_cast<uint8_t>((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

// Single precision and truncated, as Pillow's blend().
uint8_t blend(int from, int to, float factor) {
  const float value = static_cast<float>(from) + factor * static_cast<float>(to - from);
  return static_cast<uint8_t>(std::clamp(value, 0.0f, 255.0f));
}

void look_up(RgbPicture picture, size_t channel, const Table& table) {
  for (size_t i = channel; i < picture.pixels.size(); i += 3) picture.pixels[i] = table[picture.pixels[i]];
}

void look_up(RgbPicture picture, const Table& table) {
  for (uint8_t& value : picture.pixels) value = table[value];
}

Histogram histogram_of(RgbPicture picture, size_t channel) {
  Histogram histogram{};
  for (size_t i = channel; i < picture.pixels.size(); i += 3) ++histogram[picture.pixels[i]];
  return histogram;
}

// Weights 1, 5 in the middle, of 13; the border stays.
std::vector<uint8_t> smoothed(RgbPicture picture) {
  std::vector<uint8_t> result(picture.pixels.begin(), picture.pixels.end());
  const ptrdiff_t row = ptrdiff_t{3} * picture.width;
  for (int y = 1; y + 1 < picture.height; ++y)
    for (ptrdiff_t x = 3; x + 3 < row; ++x) {
      const uint8_t* centre = picture.pixels.data() + y * row + x;
      int sum = 4 * centre[0];
      for (const ptrdiff_t line : {-row, ptrdiff_t{0}, row}) sum += centre[line - 3] + centre[line] + centre[line + 3];
      result[static_cast<size_t>(y * row + x)] = static_cast<uint8_t>((2 * sum + 13) / 26);
    }
  return result;
}

// Pillow's: about as many pixels for each output value; a channel of one value, or of fewer pixels than values, stays.
Table equalizing_table(const Histogram& histogram) {
  Table table;
  std::iota(table.begin(), table.end(), uint8_t{0});
  const auto last = std::find_if(histogram.rbegin(), histogram.rend(), [](uint64_t count) { return count > 0; });
  if (last == histogram.rend()) return table;
  const uint64_t step = (std::accumulate(histogram.begin(), histogram.end(), uint64_t{0}) - *last) / 255;
  if (step == 0) return table;
  uint64_t sum = step / 2;
  for (size_t i = 0; i < table.size(); ++i) {
    table[i] = static_cast<uint8_t>(std::min<uint64_t>(255, sum / step));
    sum += histogram[i];
  }
  return table;
}

constexpr int kFixedBits = 16;

int64_t to_fixed(double value) { return static_cast<int64_t>(std::floor(value * (1 << kFixedBits) + 0.5)); }

}  // namespace

void adjust_brightness(RgbPicture picture, float factor) {
  for (uint8_t& value : picture.pixels) value = blend(0, value, factor);
}

void adjust_contrast(RgbPicture picture, float factor) {
  const size_t count = picture.pixels.size() / 3;
  if (count == 0) return;
  uint64_t sum = 0;
  for (size_t i = 0; i < count; ++i) sum += gray_of(picture.pixels.data() + 3 * i);
  const int mean = static_cast<int>(static_cast<double>(sum) / static_cast<double>(count) + 0.5);
  for (uint8_t& value : picture.pixels) value = blend(mean, value, factor);
}

void adjust_saturation(RgbPicture picture, float factor) {
  for (size_t i = 0; i + 2 < picture.pixels.size(); i += 3) {
    uint8_t* pixel = picture.pixels.data() + i;
    const int gray = gray_of(pixel);
    for (int channel = 0; channel < 3; ++channel) pixel[channel] = blend(gray, pixel[channel], factor);
  }
}

void adjust_sharpness(RgbPicture picture, float factor) {
  const std::vector<uint8_t> smooth = smoothed(picture);
  for (size_t i = 0; i < smooth.size(); ++i) picture.pixels[i] = blend(smooth[i], picture.pixels[i], factor);
}

// In a circle of six sectors, each channel is v - v s max(0, min(k, 4 - k, 1)) with k = (n + 6 h) mod 6 and n = 5, 3, 1
// for R, G and B.
void shift_hue(RgbPicture picture, float turns) {
  for (size_t i = 0; i + 2 < picture.pixels.size(); i += 3) {
    uint8_t* pixel = picture.pixels.data() + i;
    const int red = pixel[0], green = pixel[1], blue = pixel[2];
    const int largest = std::max({red, green, blue}), range = largest - std::min({red, green, blue});
    if (range == 0) continue;
    const auto share = [&](int a, int b) { return static_cast<float>(a - b) / static_cast<float>(range); };
    const float sector = largest == red     ? share(green, blue)
                         : largest == green ? 2 + share(blue, red)
                                            : 4 + share(red, green);
    for (int channel = 0; channel < 3; ++channel) {
      float k = std::fmod(static_cast<float>(5 - 2 * channel) + sector + 6 * turns + 12, 6.0f);
      k = std::clamp(std::min(k, 4 - k), 0.0f, 1.0f);
      pixel[channel] = static_cast<uint8_t>(std::lround(static_cast<float>(largest) - static_cast<float>(range) * k));
    }
  }
}

void posterize(RgbPicture picture, int bits) {
  const auto mask = static_cast<uint8_t>(0xff << (8 - std::clamp(bits, 0, 8)));
  for (uint8_t& value : picture.pixels) value &= mask;
}

void solarize(RgbPicture picture, double threshold) {
  Table table;
  for (size_t i = 0; i < table.size(); ++i)
    table[i] = static_cast<uint8_t>(static_cast<double>(i) < threshold ? i : 255 - i);
  look_up(picture, table);
}

void autocontrast(RgbPicture picture) {
  for (size_t channel = 0; channel < 3; ++channel) {
    const Histogram histogram = histogram_of(picture, channel);
    const auto first = std::ranges::find_if(histogram, [](uint64_t count) { return count > 0; });
    const auto last = std::find_if(histogram.rbegin(), histogram.rend(), [](uint64_t count) { return count > 0; });
    const auto low = static_cast<double>(first - histogram.begin());
    const auto high = static_cast<double>(histogram.rend() - last - 1);
    if (high <= low) continue;
    const double scale = 255.0 / (high - low), offset = -low * scale;
    Table table;
    for (size_t i = 0; i < table.size(); ++i)
      table[i] = static_cast<uint8_t>(std::clamp(static_cast<double>(i) * scale + offset, 0.0, 255.0));
    look_up(picture, channel, table);
  }
}

void equalize(RgbPicture picture) {
  for (size_t channel = 0; channel < 3; ++channel)
    look_up(picture, channel, equalizing_table(histogram_of(picture, channel)));
}

// In 16.16 fixed point, as Pillow.
void transform_affine(RgbPicture picture, const std::array<double, 6>& inverse) {
  const std::vector<uint8_t> source(picture.pixels.begin(), picture.pixels.end());
  const auto [a, b, c, d, e, f] = inverse;
  const int64_t step_x = to_fixed(a), step_y = to_fixed(d), row_x = to_fixed(b), row_y = to_fixed(e);
  int64_t first_x = to_fixed(c + a * 0.5 + b * 0.5), first_y = to_fixed(f + d * 0.5 + e * 0.5);
  uint8_t* target = picture.pixels.data();
  for (int y = 0; y < picture.height; ++y, first_x += row_x, first_y += row_y) {
    int64_t from_x = first_x, from_y = first_y;
    for (int x = 0; x < picture.width; ++x, from_x += step_x, from_y += step_y, target += 3) {
      const int64_t column = from_x >> kFixedBits, line = from_y >> kFixedBits;
      const bool inside = column >= 0 && column < picture.width && line >= 0 && line < picture.height;
      const size_t from = inside ? static_cast<size_t>(line * picture.width + column) * 3 : 0;
      for (size_t channel = 0; channel < 3; ++channel) target[channel] = inside ? source[from + channel] : uint8_t{0};
    }
  }
}

}  // namespace resnetft
