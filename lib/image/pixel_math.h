// SPDX-License-Identifier: MIT
// The arithmetic of preprocessing, one value at a time. This text is the definition: any faster variant must give the
// same bits. The resize filters are fixed-point with 22 fractional bits, as in Pillow's Resample.c, so that results
// are Pillow's own; YUV is converted in fixed point with 16.
#pragma once

#include <cmath>
#include <cstdint>

namespace resnetft {

inline constexpr int kFilterBits = 22;

// Half the width of the filter at scale 1, in source pixels.
inline double filter_support(bool bicubic) { return bicubic ? 2.0 : 1.0; }

inline double triangle_filter(double x) { return std::fabs(x) < 1.0 ? 1.0 - std::fabs(x) : 0.0; }

// Keys 1981 with a = -0.5.
inline double cubic_filter(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

inline int32_t to_fixed_point(double weight) {
  return static_cast<int32_t>(std::lround(weight * (int64_t{1} << kFilterBits)));
}

inline uint8_t clamp_to_byte(int32_t value) { return static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value); }

// A weighted sum of 8-bit values that began at kFilterRounding, back to 8 bits.
inline constexpr int32_t kFilterRounding = int32_t{1} << (kFilterBits - 1);
inline uint8_t from_fixed_point(int32_t sum) { return clamp_to_byte(sum >> kFilterBits); }

inline constexpr int kColorBits = 16;

// R = scale (Y - black) + red_v V, G = ... + green_u U + green_v V, B = ... + blue_u U, with U and V around 128.
struct ColorCoefficients {
  int32_t black, scale, red_v, green_u, green_v, blue_u;
};

// From the weights of red and blue in luma (ITU-R BT.601, BT.709, BT.2020: section "derivation of luminance").
inline ColorCoefficients color_coefficients(double red_weight, double blue_weight, bool limited) {
  const double luma = limited ? 255.0 / 219.0 : 1.0, chroma = limited ? 255.0 / 224.0 : 1.0;
  const double green_weight = 1.0 - red_weight - blue_weight;
  const auto fixed = [](double value) { return static_cast<int32_t>(std::lround(value * (1 << kColorBits))); };
  return {limited ? 16 : 0,
          fixed(luma),
          fixed(chroma * 2 * (1 - red_weight)),
          fixed(-chroma * 2 * blue_weight * (1 - blue_weight) / green_weight),
          fixed(-chroma * 2 * red_weight * (1 - red_weight) / green_weight),
          fixed(chroma * 2 * (1 - blue_weight))};
}

inline void yuv_to_rgb(const ColorCoefficients& c, int32_t y, int32_t u, int32_t v, uint8_t* rgb) {
  const int32_t luma = c.scale * (y - c.black) + (1 << (kColorBits - 1));
  u -= 128;
  v -= 128;
  rgb[0] = clamp_to_byte((luma + c.red_v * v) >> kColorBits);
  rgb[1] = clamp_to_byte((luma + c.green_u * u + c.green_v * v) >> kColorBits);
  rgb[2] = clamp_to_byte((luma + c.blue_u * u) >> kColorBits);
}

}  // namespace resnetft
