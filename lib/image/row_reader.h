// SPDX-License-Identifier: MIT
// The rows of a picture, turned and converted to RGBx, one at a time.
#pragma once

#include <array>

#include "image/geometry.h"
#include "image/pixel_format.h"
#include "image/row_kernels.h"
#include "image/row_memory.h"

namespace resnetft {

// What a RowReader needs to work; kept by its user, so that equal pictures cost no allocation.
struct RowScratch {
  RowMemory row, luma, chroma, segments, block;
  std::array<RowMemory, 3> means;  // of rows as they are stored, one for each plane
  RowMemory halved;                // a row of which pairs of pixels were averaged
  // For rows of up to `columns` pixels, of which filters may read up to `overrun` beyond.
  void reserve(int columns, int overrun, bool transposed, const Halving& halving);
};

// Borrows everything. Columns count along the stored picture even where it is mirrored: mirroring columns is the
// filter table's affair. Rows and columns are counted after halving: rows are averaged as they are stored, with 0.5
// rounded up, columns as RGBx, with 0.5 rounded down.
class RowReader {
 public:
  RowReader(const ImageView& image, int first_column, int columns, const Halving& halving, const RowKernels& kernels,
            RowScratch& scratch);

  // Row `row` of the turned region; pixel 0 is `first_column`. Valid until the next call.
  const uint8_t* read(int row);

 private:
  const uint8_t* convert(int x, int y, int count, uint8_t* rgbx);
  const uint8_t* convert_yuv(int x, int y, int count, uint8_t* rgbx);
  // `bytes` of a plane from `offset` on: of the rows that count as one from row y of the picture on, their mean.
  const uint8_t* plane_row(size_t plane, int y, int offset, int bytes) const;
  const uint8_t* halve_columns(const uint8_t* rgbx);
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
  Halving halving_;
  int block_first_ = -1;  // transposed: the stored column that the block of turned rows begins with
};

}  // namespace resnetft
