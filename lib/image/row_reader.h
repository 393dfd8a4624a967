// SPDX-License-Identifier: MIT
// The rows of a picture, turned and converted to RGBx, one at a time.
#pragma once

#include "image/geometry.h"
#include "image/pixel_format.h"
#include "image/row_kernels.h"
#include "image/row_memory.h"

namespace resnetft {

// What a RowReader needs to work; kept by its user, so that equal pictures cost no allocation.
struct RowScratch {
  RowMemory row, luma, chroma, segments, block;
  // For rows of up to `columns` pixels, of which filters may read up to `overrun` beyond.
  void reserve(int columns, int overrun, bool transposed);
};

// Borrows everything. Columns count along the stored picture even where it is mirrored: mirroring columns is the
// filter table's affair.
class RowReader {
 public:
  RowReader(const ImageView& image, int first_column, int columns, const RowKernels& kernels, RowScratch& scratch);

  // Row `row` of the turned region; pixel 0 is `first_column`. Valid until the next call.
  const uint8_t* read(int row);

 private:
  const uint8_t* convert(int x, int y, int count, uint8_t* rgbx);
  const uint8_t* convert_yuv(int x, int y, int count, uint8_t* rgbx);
  void turn_block(int first);
  void prefetch(int x, int y, int count) const;

  const ImageView& image_;
  const FormatLayout& layout_;
  const RowKernels& kernels_;
  RowScratch& scratch_;
  Region region_;
  Turn turn_;
  YuvToRgb matrix_ = {};
  int first_column_;
  int columns_;
  int block_first_ = -1;  // transposed: the stored column that the block of turned rows begins with
};

}  // namespace resnetft
