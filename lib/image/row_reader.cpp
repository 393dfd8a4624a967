// SPDX-License-Identifier: MIT
#include "image/row_reader.h"

#include <algorithm>
#include <cstring>

namespace resnetft {
namespace {

// A transposed picture is turned in blocks of stored columns: one cache line of RGBx of each stored row.
constexpr int kBlockColumns = 16;
constexpr size_t kSegmentBytes = 3 * kRowSlack;  // a stored row of a block, with one pixel in front, and its slack

size_t row_bytes(int pixels) { return static_cast<size_t>(pixels) * 4 + kRowSlack; }

// The luma and the chroma samples of a row of Yuy2 or Uyvy; `chroma` gets a whole pair for a last odd pixel.
void split_row(const uint8_t* src, int luma_byte, int count, uint8_t* luma, uint8_t* chroma) {
  const uint8_t* luma_src = src + luma_byte;
  const uint8_t* chroma_src = src + 1 - luma_byte;
  for (int i = 0; i < count; ++i) luma[i] = luma_src[i * 2];
  for (int i = 0; i < (count + 1) / 2 * 2; ++i) chroma[i] = chroma_src[i * 2];
}

void pair_rows(const uint8_t* first, const uint8_t* second, int pairs, uint8_t* chroma) {
  for (int i = 0; i < pairs; ++i) {
    chroma[i * 2] = first[i];
    chroma[i * 2 + 1] = second[i];
  }
}

void average_rows(const uint8_t* first, const uint8_t* second, int bytes, uint8_t* mean) {
  for (int i = 0; i < bytes; ++i) mean[i] = static_cast<uint8_t>((first[i] + second[i] + 1) >> 1);
}

}  // namespace

void RowScratch::reserve(int columns, int overrun, bool transposed, const Halving& halving) {
  // One pixel more where a chroma pair begins in front of the first column.
  const int longest = std::max(columns * halving.columns, kBlockColumns) + 1;
  luma.resize(static_cast<size_t>(longest) + kRowSlack);
  chroma.resize(static_cast<size_t>(longest) + kRowSlack);
  row.resize(transposed ? 0 : row_bytes(longest + overrun));
  segments.resize(transposed ? kSegmentBytes * kBlockColumns : 0);
  block.resize(transposed ? row_bytes(columns + overrun) * kBlockColumns : 0);
  for (RowMemory& mean : means) mean.resize(row_bytes(longest) * static_cast<size_t>(halving.rows / 2));
  halved.resize(halving.columns > 1 ? row_bytes(longest / 2 + overrun) : 0);
}

RowReader::RowReader(const ImageView& image, int first_column, int columns, const Halving& halving,
                     const RowKernels& kernels, RowScratch& scratch)
    : image_(image),
      layout_(layout_of(image.format)),
      kernels_(kernels),
      scratch_(scratch),
      region_(region_of(image)),
      turn_(turn_of(image.orientation)),
      first_column_(first_column),
      columns_(columns),
      halving_(halving) {
  if (layout_.family != FormatFamily::Packed) matrix_ = yuv_to_rgb_of(image);
}

const uint8_t* RowReader::read(int row) {
  if (!turn_.transposed) {
    const int y = turn_.mirror_rows ? region_.height - (row + 1) * halving_.rows : row * halving_.rows;
    const int next = turn_.mirror_rows ? y - halving_.rows : y + halving_.rows;
    const int x = region_.x + first_column_ * halving_.columns, count = columns_ * halving_.columns;
    for (int i = next; i < next + halving_.rows; ++i)
      if (i >= 0 && i < region_.height) prefetch(x, region_.y + i, count);
    return halve_columns(convert(x, region_.y + y, count, scratch_.row.data()));
  }
  const int column = turn_.mirror_rows ? region_.width - 1 - row : row;
  const int first = column / kBlockColumns * kBlockColumns;
  if (first != block_first_) turn_block(first);
  return scratch_.block.data() + static_cast<size_t>(column - first) * static_cast<size_t>(columns_) * 4;
}

// Asks for the packed pixels, or the luma, that will be read next: rows lie pages apart, where the processor's own
// prefetcher does not follow. A third of the time of a frame that comes from memory.
void RowReader::prefetch(int x, int y, int count) const {
  const int bytes = layout_.family == FormatFamily::Packed      ? layout_.pixel.bytes
                    : layout_.family == FormatFamily::Packed422 ? 2
                                                                : 1;
  const uint8_t* src = image_.planes[0] + y * image_.strides[0] + static_cast<ptrdiff_t>(x) * bytes;
  for (int at = 0; at < count * bytes; at += 64) __builtin_prefetch(src + at);
}

// The chroma of 4:2:0 has half as many rows, so that two of the rows may be the same one.
const uint8_t* RowReader::plane_row(size_t plane, int y, int offset, int bytes) const {
  const bool half = plane > 0 && layout_.family != FormatFamily::Packed422;
  const size_t pitch = row_bytes(columns_ * halving_.columns + 1);
  std::array<const uint8_t*, kMostHalved> rows;
  for (int i = 0; i < halving_.rows; ++i)
    rows[static_cast<size_t>(i)] = image_.planes[plane] + (half ? (y + i) / 2 : y + i) * image_.strides[plane] + offset;
  for (size_t count = static_cast<size_t>(halving_.rows) / 2; count > 0; count /= 2)
    for (size_t i = 0; i < count; ++i) {
      const uint8_t *first = rows[2 * i], *second = rows[2 * i + 1];
      uint8_t* mean = scratch_.means[plane].data() + i * pitch;
      if (first != second) average_rows(first, second, bytes, mean);
      rows[i] = first != second ? mean : first;
    }
  return rows[0];
}

const uint8_t* RowReader::halve_columns(const uint8_t* rgbx) {
  int pairs = columns_ * halving_.columns / 2;
  for (int factor = halving_.columns; factor > 1; factor /= 2, pairs /= 2) {
    kernels_.halve(rgbx, pairs, scratch_.halved.data());
    rgbx = scratch_.halved.data();
  }
  return rgbx;
}

// Writes `count` pixels of the stored rows from y on, as one, and returns where the first of them came to lie.
const uint8_t* RowReader::convert(int x, int y, int count, uint8_t* rgbx) {
  if (layout_.family != FormatFamily::Packed) return convert_yuv(x, y, count, rgbx);
  const int bytes = layout_.pixel.bytes;
  kernels_.packed_to_rgbx(layout_.pixel, plane_row(0, y, x * bytes, count * bytes), count, rgbx);
  return rgbx;
}

const uint8_t* RowReader::convert_yuv(int x, int y, int count, uint8_t* rgbx) {
  const int lead = x % 2;  // begin with a whole chroma pair
  x -= lead;
  count += lead;
  const int pairs = (count + 1) / 2;
  const uint8_t* luma = nullptr;
  const uint8_t* chroma = scratch_.chroma.data();
  switch (layout_.family) {
    case FormatFamily::Packed422:
      split_row(plane_row(0, y, x * 2, pairs * 4), layout_.luma_byte, count, scratch_.luma.data(),
                scratch_.chroma.data());
      luma = scratch_.luma.data();
      break;
    case FormatFamily::Planar420:
      pair_rows(plane_row(1, y, x / 2, pairs), plane_row(2, y, x / 2, pairs), pairs, scratch_.chroma.data());
      luma = plane_row(0, y, x, count);
      break;
    default:
      chroma = plane_row(1, y, x, pairs * 2);
      luma = plane_row(0, y, x, count);
  }
  kernels_.yuv_to_rgbx(matrix_, luma, chroma, count, rgbx);
  return rgbx + lead * 4;
}

// Converts a square and then turns it: reading a pixel right after the wide store that wrote it would stall.
void RowReader::turn_block(int first) {
  block_first_ = first;
  const int count = std::min(kBlockColumns, region_.width - first);
  const size_t pitch = static_cast<size_t>(columns_) * 4;
  for (int begin = 0; begin < columns_; begin += kBlockColumns) {
    const int rows = std::min(kBlockColumns, columns_ - begin);
    const uint8_t* pixels[kBlockColumns];
    for (int i = begin + kBlockColumns; i < std::min(begin + 2 * kBlockColumns, columns_); ++i)
      prefetch(region_.x + first, region_.y + first_column_ + i, count);
    for (int i = 0; i < rows; ++i)
      pixels[i] = convert(region_.x + first, region_.y + first_column_ + begin + i, count,
                          scratch_.segments.data() + static_cast<size_t>(i) * kSegmentBytes);
    for (int j = 0; j < count; ++j) {
      uint8_t* out = scratch_.block.data() + static_cast<size_t>(j) * pitch + static_cast<size_t>(begin) * 4;
      for (int i = 0; i < rows; ++i) std::memcpy(out + i * 4, pixels[i] + j * 4, 4);
    }
  }
}

}  // namespace resnetft
