// SPDX-License-Identifier: MIT
// The kernel that makes a model's input of a frame, in one pass over the source.
//
// A block of threads makes a tile of the output, one thread for each pixel. The source rows under the tile's filters
// are taken in chunks: first all threads filter rows of the chunk across, each to the tile's columns, rounded to
// bytes, into shared memory; then each thread adds its column's part of the chunk to its own three sums. However large
// the picture and however strong the reduction, shared memory holds one chunk. Sums are integers, so that chunks
// change no bit, and the result is that of image/resampler.cpp, to the bit.
//
// The text below is device code and, in tests, host code. It never waits by itself: `threads.run(work)` has every
// thread of the block do its share and returns when all have.
#pragma once

#include "device/cuda/frame_task.h"
#include "device/cuda/kernel_source.h"

namespace resnetft {

inline constexpr int kTileColumns = 16, kTileRows = 8, kTileThreads = kTileColumns * kTileRows;
inline constexpr int kChunkRows = 64;
inline constexpr int kChunkPixels = kChunkRows * kTileColumns;

struct alignas(4) FramePixel {
  uint8_t channel[3];
};
struct FrameSums {
  int32_t channel[3];
};

RESNETFT_DEVICE inline FramePixel yuv_pixel(const YuvToRgb& matrix, uint8_t luma, uint8_t chroma0, uint8_t chroma1) {
  FramePixel pixel;
  for (int c = 0; c < 3; ++c) pixel.channel[c] = yuv_to_channel(matrix, c, luma, chroma0, chroma1);
  return pixel;
}

// A pixel of the stored picture.
template <FormatFamily family>
RESNETFT_DEVICE inline FramePixel stored_pixel(const FrameSource& source, int x, int y) {
  const uint8_t* row = source.planes[0] + y * source.strides[0];
  if constexpr (family == FormatFamily::Packed) {
    const uint8_t* bytes = row + x * source.pixel.bytes;
    FramePixel pixel;
    for (int c = 0; c < 3; ++c) pixel.channel[c] = bytes[source.pixel.order[c]];
    return pixel;
  } else if constexpr (family == FormatFamily::Packed422) {
    const uint8_t* chroma = row + x / 2 * 4 + 1 - source.luma_byte;
    return yuv_pixel(source.matrix, row[x * 2 + source.luma_byte], chroma[0], chroma[2]);
  } else if constexpr (family == FormatFamily::SemiPlanar420) {
    const uint8_t* chroma = source.planes[1] + y / 2 * source.strides[1] + x / 2 * 2;
    return yuv_pixel(source.matrix, row[x], chroma[0], chroma[1]);
  } else {
    return yuv_pixel(source.matrix, row[x], source.planes[1][y / 2 * source.strides[1] + x / 2],
                     source.planes[2][y / 2 * source.strides[2] + x / 2]);
  }
}

// A pixel of the turned region; columns count along the stored picture even where it is mirrored.
template <FormatFamily family>
RESNETFT_DEVICE inline FramePixel turned_pixel(const FrameSource& source, int column, int row) {
  if (source.transposed) {
    const int x = source.mirror_rows ? source.width - 1 - row : row;
    return stored_pixel<family>(source, source.x + x, source.y + column);
  }
  const int y = source.mirror_rows ? source.height - 1 - row : row;
  return stored_pixel<family>(source, source.x + column, source.y + y);
}

RESNETFT_DEVICE inline void add(FrameSums& sums, int32_t weight, const FramePixel& pixel) {
  for (int c = 0; c < 3; ++c) sums.channel[c] += weight * pixel.channel[c];
}

RESNETFT_DEVICE inline FramePixel rounded(const FrameSums& sums) {
  FramePixel pixel;
  for (int c = 0; c < 3; ++c) pixel.channel[c] = from_fixed_point(sums.channel[c]);
  return pixel;
}

// One output of the filter across, of source row `row`.
template <FormatFamily family>
RESNETFT_DEVICE inline FramePixel filtered_across(const FrameTask& task, int column, int row) {
  const int first = task.columns.first[column], last = task.columns.last[column];
  const int32_t* weights = task.columns.weights + static_cast<int64_t>(column) * task.columns.taps;
  FrameSums sums = {{kFilterRounding, kFilterRounding, kFilterRounding}};
  for (int at = first; at < last; ++at) add(sums, weights[at - first], turned_pixel<family>(task.source, at, row));
  return rounded(sums);
}

// A tile in pixels of the filtered picture, which may lie outside of it, and the source rows that it needs.
struct FrameTile {
  int column, row;
  int source_first, source_last;
};

RESNETFT_DEVICE inline FrameTile frame_tile(const FrameTask& task, int tile_x, int tile_y) {
  FrameTile tile = {tile_x * kTileColumns + task.shift_x - task.columns.before,
                    tile_y * kTileRows + task.shift_y - task.rows.before, 0, 0};
  const int begin = tile.row < 0 ? 0 : tile.row;
  const int end = tile.row + kTileRows < task.rows.count ? tile.row + kTileRows : task.rows.count;
  if (begin >= end) return tile;
  tile.source_first = task.rows.first[begin];  // never goes back from one row to the next
  for (int row = begin; row < end; ++row)
    if (tile.source_last < task.rows.last[row]) tile.source_last = task.rows.last[row];
  return tile;
}

// A thread's part of filtering `rows` source rows from `begin` on across.
template <FormatFamily family>
RESNETFT_DEVICE inline void fill_chunk(const FrameTask& task, const FrameTile& tile, int begin, int rows, int thread,
                                       FramePixel* chunk) {
  for (int i = thread; i < rows * kTileColumns; i += kTileThreads) {
    const int column = tile.column + i % kTileColumns;
    if (column >= 0 && column < task.columns.count)
      chunk[i] = filtered_across<family>(task, column, begin + i / kTileColumns);
  }
}

RESNETFT_DEVICE inline bool is_filtered(const FrameTask& task, int column, int row) {
  return column >= 0 && column < task.columns.count && row >= 0 && row < task.rows.count;
}

RESNETFT_DEVICE inline void add_chunk(const FrameTask& task, const FrameTile& tile, int begin, int rows, int thread,
                                      const FramePixel* chunk, FrameSums& sums) {
  const int row = tile.row + thread / kTileColumns;
  if (!is_filtered(task, tile.column + thread % kTileColumns, row)) return;
  const int row_first = task.rows.first[row], row_last = task.rows.last[row];
  const int first = row_first > begin ? row_first : begin;
  const int last = row_last < begin + rows ? row_last : begin + rows;
  const int32_t* weights = task.rows.weights + static_cast<int64_t>(row) * task.rows.taps;
  for (int at = first; at < last; ++at)
    add(sums, weights[at - row_first], chunk[(at - begin) * kTileColumns + thread % kTileColumns]);
}

// Within the preprocessed picture its padding, beyond it black.
RESNETFT_DEVICE inline FramePixel surrounding_pixel(const FrameTask& task, int x, int y) {
  const bool inside = x >= 0 && x < task.width && y >= 0 && y < task.height;
  FramePixel pixel;
  for (int c = 0; c < 3; ++c) pixel.channel[c] = inside ? task.padding[c] : uint8_t{0};
  return pixel;
}

RESNETFT_DEVICE inline bool is_erased(const FrameTask& task, int x, int y) {
  return x >= task.erased_x && x < task.erased_x + task.erased_width && y >= task.erased_y &&
         y < task.erased_y + task.erased_height;
}

template <class Number>
RESNETFT_DEVICE inline void store_numbers(const FrameTask& task, int x, int y, const FramePixel& pixel) {
  const Number* numbers = static_cast<const Number*>(task.numbers);
  Number* output = static_cast<Number*>(task.output) + (static_cast<int64_t>(y) * task.width + x) * 3;
  const bool erased = is_erased(task, x, y);
  for (int c = 0; c < 3; ++c) output[c] = erased ? Number{0} : numbers[c * 256 + pixel.channel[c]];
}

RESNETFT_DEVICE inline void store_pixel(const FrameTask& task, const FrameTile& tile, int tile_x, int tile_y,
                                        int thread, const FrameSums& sums) {
  const int x = tile_x * kTileColumns + thread % kTileColumns, y = tile_y * kTileRows + thread / kTileColumns;
  if (x >= task.width || y >= task.height) return;
  const FramePixel pixel = is_filtered(task, tile.column + thread % kTileColumns, tile.row + thread / kTileColumns)
                               ? rounded(sums)
                               : surrounding_pixel(task, x + task.shift_x, y + task.shift_y);
  const int target = task.flip ? task.width - 1 - x : x;
  if (task.number_bytes == 2)
    store_numbers<uint16_t>(task, target, y, pixel);
  else
    store_numbers<float>(task, target, y, pixel);
}

// `chunk`: kChunkPixels that the threads of the block share. `Threads::PerThread<T>` is a T for each thread.
template <FormatFamily family, class Threads>
RESNETFT_DEVICE inline void make_frame_tile(const FrameTask& task, int tile_x, int tile_y, FramePixel* chunk,
                                            Threads& threads) {
  const FrameTile tile = frame_tile(task, tile_x, tile_y);
  typename Threads::template PerThread<FrameSums> sums;
  threads.run([&](int thread) { sums[thread] = {{kFilterRounding, kFilterRounding, kFilterRounding}}; });
  for (int begin = tile.source_first; begin < tile.source_last; begin += kChunkRows) {
    const int left = tile.source_last - begin, rows = left < kChunkRows ? left : kChunkRows;
    threads.run([&](int thread) { fill_chunk<family>(task, tile, begin, rows, thread, chunk); });
    threads.run([&](int thread) { add_chunk(task, tile, begin, rows, thread, chunk, sums[thread]); });
  }
  threads.run([&](int thread) { store_pixel(task, tile, tile_x, tile_y, thread, sums[thread]); });
}

}  // namespace resnetft
