// SPDX-License-Identifier: MIT
// The arithmetic of preprocessing, one pixel at a time. This text is the definition: any faster variant, on any
// device, must give the same bits. What runs per pixel is on plain integers and is device code too
// (RESNETFT_HOST_DEVICE); the rest makes small tables on the host.
//
// The filters are fixed-point with 22 fractional bits and round to 8 bits after each of the two passes, as Pillow's
// do, so that the results are Pillow's own.
#pragma once

#include <cmath>
#include <cstdint>

#ifdef __CUDACC__
#define RESNETFT_HOST_DEVICE __host__ __device__
#else
#define RESNETFT_HOST_DEVICE
#endif

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

RESNETFT_HOST_DEVICE constexpr uint8_t clamp_to_byte(int32_t value) {
  return static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

// A weighted sum of 8-bit values that began at kFilterRounding, back to 8 bits. The sum itself always fits 32 bits:
// the weights add up to 1, and a cubic's negative lobes stay below a third.
inline constexpr int32_t kFilterRounding = int32_t{1} << (kFilterBits - 1);
RESNETFT_HOST_DEVICE constexpr uint8_t from_fixed_point(int32_t sum) { return clamp_to_byte(sum >> kFilterBits); }

// YUV to RGB as a 3x3 matrix in fixed point. 13 bits are the most that leave BT.2020's largest factor, 2.142, in 16
// bits, where SIMD multiplies cheapest; they cost at most 0.04 of a step of the result.
inline constexpr int kYuvBits = 13;
struct YuvToRgb {
  int16_t luma;          // the same for R, G and B
  int16_t chroma[3][2];  // for R, G, B: the factors of the first and of the second chroma sample
  int32_t offset[3];     // what is left when black level, chroma's 128 and the rounding are taken out of the products
};

// `kr` and `kb` are the shares of red and blue in luma (ITU-R BT.601, 709, 2020). `v_first`: the chroma samples come
// in the order V, U.
inline YuvToRgb make_yuv_to_rgb(double kr, double kb, bool full_range, bool v_first) {
  const double kg = 1.0 - kr - kb, one = 1 << kYuvBits;
  const double luma_scale = full_range ? 1.0 : 255.0 / 219.0, chroma_scale = full_range ? 1.0 : 255.0 / 224.0;
  const double red_of_v = 2.0 * (1.0 - kr) * chroma_scale, blue_of_u = 2.0 * (1.0 - kb) * chroma_scale;
  const double u[3] = {0.0, -blue_of_u * kb / kg, blue_of_u}, v[3] = {red_of_v, -red_of_v * kr / kg, 0.0};
  YuvToRgb matrix{};
  matrix.luma = static_cast<int16_t>(std::lround(luma_scale * one));
  for (int channel = 0; channel < 3; ++channel) {
    const auto u_factor = static_cast<int16_t>(std::lround(u[channel] * one));
    const auto v_factor = static_cast<int16_t>(std::lround(v[channel] * one));
    matrix.chroma[channel][0] = v_first ? v_factor : u_factor;
    matrix.chroma[channel][1] = v_first ? u_factor : v_factor;
    matrix.offset[channel] = (1 << (kYuvBits - 1)) - (full_range ? 0 : 16) * matrix.luma - 128 * (u_factor + v_factor);
  }
  return matrix;
}

// Channel 0, 1, 2 is R, G, B.
RESNETFT_HOST_DEVICE constexpr uint8_t yuv_to_channel(const YuvToRgb& matrix, int channel, uint8_t luma,
                                                      uint8_t chroma0, uint8_t chroma1) {
  const int32_t sum = matrix.offset[channel] + matrix.luma * luma + matrix.chroma[channel][0] * chroma0 +
                      matrix.chroma[channel][1] * chroma1;
  return clamp_to_byte(sum >> kYuvBits);
}

}  // namespace resnetft
