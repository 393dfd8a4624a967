// SPDX-License-Identifier: MIT
// The inner loops of preprocessing, in one variant for each kind of processor; all give the bits of the plain one.
// Rows between the stages are RGBx, 4 bytes a pixel, x undefined. A kernel reads no byte of a picture beyond the
// pixels that it was asked for, but rows of RGBx, read or written, need kRowSlack bytes behind their end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "image/pixel_math.h"

namespace resnetft {

enum class SimdLevel { Plain, Avx2, Avx512 };

inline constexpr size_t kRowSlack = 64;

// Filters are stored in groups of four taps, 16 bytes each, in an order that each variant chooses.
inline constexpr int kGroupTaps = 4;
inline constexpr size_t kGroupBytes = 16;
// filter_across makes its outputs in blocks of four.
inline constexpr int kBlockOutputs = 4;

// How a packed pixel lies in memory: 1, 3 or 4 bytes, and where R, G and B are among them.
struct PackedPixel {
  int bytes;
  uint8_t order[3];
};

// The weights of filter_across: for each block, for each group of taps, for each of the block's four outputs, 16 bytes.
struct AcrossFilter {
  const int32_t* first;  // for each output, the first pixel of the row that it reads
  const uint8_t* weights;
  int blocks;
  int groups;
};

struct RowKernels {
  SimdLevel level;
  void (*store_group)(const int32_t* weights, uint8_t* group);
  void (*packed_to_rgbx)(const PackedPixel& pixel, const uint8_t* src, int count, uint8_t* rgbx);
  // `chroma`: pairs of samples, one for every two pixels.
  void (*yuv_to_rgbx)(const YuvToRgb& matrix, const uint8_t* luma, const uint8_t* chroma, int count, uint8_t* rgbx);
  // Each two pixels of RGBx to their mean, 0.5 rounded down. `means` may be `rgbx`.
  void (*halve)(const uint8_t* rgbx, int pairs, uint8_t* means);
  // One row, narrowed or widened: 4 * blocks pixels come out.
  void (*filter_across)(const uint8_t* rgbx, const AcrossFilter& filter, uint8_t* out);
  // 4 * groups rows, weighted into one.
  void (*filter_down)(const uint8_t* const* rows, const uint8_t* weights, int groups, int count, uint8_t* out);
};

// The best that this processor runs, and all that it runs, Plain first.
SimdLevel best_simd_level();
std::span<const SimdLevel> available_simd_levels();
const RowKernels& row_kernels(SimdLevel level);

// Plain always exists; the others are null where the compiler does not target x86-64.
extern const RowKernels kPlainKernels;
const RowKernels* avx2_kernels();
const RowKernels* avx512_kernels();

}  // namespace resnetft
