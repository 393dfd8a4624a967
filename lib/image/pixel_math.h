// SPDX-License-Identifier: MIT
// The arithmetic of preprocessing, one pixel at a time. This text is the definition: any faster variant must give
// the same bits. The filters are fixed-point with 22 fractional bits, as in Pillow's Resample.c, so that results are
// Pillow's own.
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

// A weighted sum of 8-bit values that began at kFilterRounding, back to 8 bits.
inline constexpr int32_t kFilterRounding = int32_t{1} << (kFilterBits - 1);
inline uint8_t from_fixed_point(int32_t sum) {
  const int32_t value = sum >> kFilterBits;
  return static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

}  // namespace resnetft
