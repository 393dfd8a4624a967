// SPDX-License-Identifier: MIT
// The plain kernels, which define what the others must give, and the choice among them.
#include "image/row_kernels.h"

#include <cstring>

namespace resnetft {
namespace {

void store_group(const int32_t* weights, uint8_t* group) { std::memcpy(group, weights, kGroupBytes); }

void packed_to_rgbx(const PackedPixel& pixel, const uint8_t* src, int count, uint8_t* rgbx) {
  for (int i = 0; i < count; ++i, src += pixel.bytes, rgbx += 4)
    for (int channel = 0; channel < 3; ++channel) rgbx[channel] = src[pixel.order[channel]];
}

void yuv_to_rgbx(const YuvToRgb& matrix, const uint8_t* luma, const uint8_t* chroma, int count, uint8_t* rgbx) {
  for (int i = 0; i < count; ++i, rgbx += 4) {
    const uint8_t* pair = chroma + (i / 2) * 2;
    for (int channel = 0; channel < 3; ++channel)
      rgbx[channel] = yuv_to_channel(matrix, channel, luma[i], pair[0], pair[1]);
  }
}

void halve(const uint8_t* rgbx, int pairs, uint8_t* means) {
  for (int i = 0; i < pairs; ++i, rgbx += 8, means += 4)
    for (int channel = 0; channel < 3; ++channel)
      means[channel] = static_cast<uint8_t>((rgbx[channel] + rgbx[4 + channel]) >> 1);
}

void filter_across(const uint8_t* rgbx, const AcrossFilter& filter, uint8_t* out) {
  for (int output = 0; output < filter.blocks * kBlockOutputs; ++output, out += 4) {
    const int block = output / kBlockOutputs, lane = output % kBlockOutputs;
    int32_t sums[3] = {kFilterRounding, kFilterRounding, kFilterRounding};
    const uint8_t* pixel = rgbx + static_cast<ptrdiff_t>(filter.first[output]) * 4;
    for (int group = 0; group < filter.groups; ++group) {
      const ptrdiff_t at = (static_cast<ptrdiff_t>(block) * filter.groups + group) * kBlockOutputs + lane;
      int32_t weights[kGroupTaps];
      std::memcpy(weights, filter.weights + at * static_cast<ptrdiff_t>(kGroupBytes), kGroupBytes);
      for (int tap = 0; tap < kGroupTaps; ++tap, pixel += 4)
        for (int channel = 0; channel < 3; ++channel) sums[channel] += weights[tap] * pixel[channel];
    }
    for (int channel = 0; channel < 3; ++channel) out[channel] = from_fixed_point(sums[channel]);
  }
}

void filter_down(const uint8_t* const* rows, const uint8_t* weights, int groups, int count, uint8_t* out) {
  constexpr int kChunk = 64;
  for (int begin = 0; begin < count * 4; begin += kChunk) {
    int32_t sums[kChunk];
    for (int32_t& sum : sums) sum = kFilterRounding;
    for (int tap = 0; tap < groups * kGroupTaps; ++tap) {
      int32_t weight;
      std::memcpy(&weight, weights + static_cast<ptrdiff_t>(tap) * 4, sizeof weight);
      for (int i = 0; i < kChunk; ++i) sums[i] += weight * rows[tap][begin + i];
    }
    for (int i = 0; i < kChunk; ++i) out[begin + i] = from_fixed_point(sums[i]);
  }
}

}  // namespace

const RowKernels kPlainKernels = {SimdLevel::Plain, store_group, packed_to_rgbx, yuv_to_rgbx, halve,
                                  filter_across,    filter_down};

std::span<const SimdLevel> available_simd_levels() {
  static constexpr SimdLevel kLevels[] = {SimdLevel::Plain, SimdLevel::Avx2, SimdLevel::Avx512};
#if defined(__x86_64__)
  // Without VNNI's byte products an AVX-512 variant would be no faster than AVX2's, so that it asks for them.
  const bool avx2 = __builtin_cpu_supports("avx2");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
#else
  constexpr bool avx2 = false, avx512 = false;
#endif
  return std::span(kLevels).first(avx512 ? 3u : avx2 ? 2u : 1u);
}

SimdLevel best_simd_level() { return available_simd_levels().back(); }

const RowKernels& row_kernels(SimdLevel level) {
  const RowKernels* kernels = level == SimdLevel::Avx512 ? avx512_kernels()
                              : level == SimdLevel::Avx2 ? avx2_kernels()
                                                         : nullptr;
  return kernels ? *kernels : kPlainKernels;
}

}  // namespace resnetft
