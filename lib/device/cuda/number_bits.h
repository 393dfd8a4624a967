// SPDX-License-Identifier: MIT
// Half and bfloat16 as bits, rounded to the nearest, ties to even, in integer arithmetic or by the GPU's instructions
// for it: both give the same bits. Not for NaN.
#pragma once

#include <bit>
#include <cstdint>

#include "image/pixel_math.h"

namespace resnetft {

namespace number_bits {
RESNETFT_HOST_DEVICE inline uint32_t of_float(float value) {
#ifdef __CUDA_ARCH__
  return __float_as_uint(value);
#else
  return std::bit_cast<uint32_t>(value);
#endif
}
RESNETFT_HOST_DEVICE inline float to_float(uint32_t bits) {
#ifdef __CUDA_ARCH__
  return __uint_as_float(bits);
#else
  return std::bit_cast<float>(bits);
#endif
}

// `value` without its lowest `count` bits, rounded.
RESNETFT_HOST_DEVICE constexpr uint32_t rounded_shift(uint32_t value, int count) {
  const uint32_t half = uint32_t{1} << (count - 1);
  return (value + half - 1 + ((value >> count) & 1)) >> count;
}
}  // namespace number_bits

RESNETFT_HOST_DEVICE inline uint16_t bfloat16_of(float value) {
  return static_cast<uint16_t>(number_bits::rounded_shift(number_bits::of_float(value), 16));
}

RESNETFT_HOST_DEVICE inline float float_of_bfloat16(uint16_t bits) {
  return number_bits::to_float(static_cast<uint32_t>(bits) << 16);
}

// Halfs have 5 bits of exponent (bias 15) and 10 of mantissa; below 2^-14 the exponent stays and the mantissa, its
// leading one written out, is shifted.
RESNETFT_HOST_DEVICE inline uint16_t half_of(float value) {
#ifdef __CUDA_ARCH__
  uint16_t half;  // the instruction rounds alike
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
  return half;
#else
  const uint32_t bits = number_bits::of_float(value), sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffff;
  constexpr uint32_t kOverflow = 0x477ff000, kSmallestNormal = 0x38800000, kUnderflow = 0x33000000;
  if (magnitude >= kOverflow) return static_cast<uint16_t>(sign | 0x7c00);
  if (magnitude >= kSmallestNormal)
    return static_cast<uint16_t>(sign | number_bits::rounded_shift(magnitude - 0x38000000, 13));
  if (magnitude <= kUnderflow) return static_cast<uint16_t>(sign);
  const uint32_t mantissa = (magnitude & 0x7fffff) | 0x800000;
  return static_cast<uint16_t>(sign | number_bits::rounded_shift(mantissa, 126 - static_cast<int>(magnitude >> 23)));
#endif
}

RESNETFT_HOST_DEVICE inline float float_of_half(uint16_t bits) {
#ifdef __CUDA_ARCH__
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
#else
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16, magnitude = bits & 0x7fff;
  if (magnitude >= 0x7c00) return number_bits::to_float(sign | 0x7f800000);
  if (magnitude >= 0x400) return number_bits::to_float(sign | ((magnitude << 13) + 0x38000000));
  const float subnormal = static_cast<float>(magnitude) / 16777216.0f;
  return sign ? -subnormal : subnormal;
#endif
}

// How values of one kind are read and written.
struct Float32Numbers {
  using Stored = float;
  RESNETFT_HOST_DEVICE static float load(Stored value) { return value; }
  RESNETFT_HOST_DEVICE static Stored store(float value) { return value; }
};
struct Float16Numbers {
  using Stored = uint16_t;
  RESNETFT_HOST_DEVICE static float load(Stored value) { return float_of_half(value); }
  RESNETFT_HOST_DEVICE static Stored store(float value) { return half_of(value); }
};
struct BFloat16Numbers {
  using Stored = uint16_t;
  RESNETFT_HOST_DEVICE static float load(Stored value) { return float_of_bfloat16(value); }
  RESNETFT_HOST_DEVICE static Stored store(float value) { return bfloat16_of(value); }
};

}  // namespace resnetft
