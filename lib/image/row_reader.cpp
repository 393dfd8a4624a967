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

}  // namespace

void RowScratch::reserve(int columns, int overrun, bool transposed) {
  // One pixel more where a chroma pair begins in front of the first column.
  const int longest = std::max(columns, kBlockColumns) + 1;
  luma.resize(static_cast<size_t>(longest) + kRowSlack);
  chroma.resize(static_cast<size_t>(longest) + kRowSlack);
  row.resize(transposed ? 0 : row_bytes(longest + overrun));
  segments.resize(transposed ? kSegmentBytes * kBlockColumns : 0);
  block.resize(transposed ? row_bytes(columns + overrun) * kBlockColumns : 0);
}

RowReader::RowReader(const ImageView& image, int first_column, int columns, const RowKernels& kernels,
                     RowScratch& scratch)
    : image_(image),
      layout_(layout_of(image.format)),
      kernels_(kernels),
      scratch_(scratch),
      region_(region_of(image)),
      turn_(turn_of(image.orientation)),
      first_column_(first_column),
      columns_(columns) {
  if (layout_.family != FormatFamily::Packed) matrix_ = yuv_to_rgb_of(image);
}

const uint8_t* RowReader::read(int row) {
  if (!turn_.transposed) {
    const int y = turn_.mirror_rows ? region_.height - 1 - row : row;
    const int next = turn_.mirror_rows ? y - 1 : y + 1;
    if (next >= 0 && next < region_.height) prefetch(region_.x + first_column_, region_.y + next, columns_);
    return convert(region_.x + first_column_, region_.y + y, columns_, scratch_.row.data());
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

// Writes `count` pixels of stored row y from column x on, and returns where the first of them came to lie.
const uint8_t* RowReader::convert(int x, int y, int count, uint8_t* rgbx) {
  if (layout_.family != FormatFamily::Packed) return convert_yuv(x, y, count, rgbx);
  const uint8_t* src = image_.planes[0] + y * image_.strides[0] + static_cast<ptrdiff_t>(x) * layout_.pixel.bytes;
  kernels_.packed_to_rgbx(layout_.pixel, src, count, rgbx);
  return rgbx;
}

const uint8_t* RowReader::convert_yuv(int x, int y, int count, uint8_t* rgbx) {
  const int lead = x % 2;  // begin with a whole chroma pair
  x -= lead;
  count += lead;
  const uint8_t* luma = image_.planes[0] + y * image_.strides[0];
  const uint8_t* chroma = scratch_.chroma.data();
  switch (layout_.family) {
    case FormatFamily::Packed422:
      split_row(luma + x * 2, layout_.luma_byte, count, scratch_.luma.data(), scratch_.chroma.data());
      luma = scratch_.luma.data();
      break;
    case FormatFamily::Planar420:
      pair_rows(image_.planes[1] + y / 2 * image_.strides[1] + x / 2,
                image_.planes[2] + y / 2 * image_.strides[2] + x / 2, (count + 1) / 2, scratch_.chroma.data());
      luma += x;
      break;
    default:
      chroma = image_.planes[1] + y / 2 * image_.strides[1] + x;
      luma += x;
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
