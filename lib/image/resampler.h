// SPDX-License-Identifier: MIT
// The whole walk of a picture: row by row it is converted, filtered across, filtered down, and stored as pixels or
// floats; no stage ever holds more rows than the filter of the next one covers.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "image/filter_table.h"
#include "image/row_reader.h"

namespace resnetft {

// Where an output row goes: to `pixels` as R, G, B, or through a table for each channel to `tensor`.
struct Destination {
  uint8_t* pixels = nullptr;
  float* tensor = nullptr;
  TensorLayout layout = TensorLayout::Nchw;
  int width = 0;
  int height = 0;

  using Tables = std::array<std::array<float, 256>, 3>;
  void store(int x, int y, int count, const uint8_t* rgbx, const Tables& tables) const;
};

// The value that stands for each byte of each channel: (byte / 255 - mean) / std.
Destination::Tables normalization_tables(const PreprocessSpec& spec);

// What surrounds the picture: black, or the mean colour around a letterboxed one.
uint8_t padding_value(const PreprocessSpec& spec, size_t channel);

// Keeps what the last size needed. Trusts its callers: spec and view have been checked. May throw std::bad_alloc.
class Resampler {
 public:
  // `reducing_gap` as in Preprocessor::create().
  Resampler(const PreprocessSpec& spec, const RowKernels& kernels, double reducing_gap = 0);

  const PreprocessSpec& spec() const { return spec_; }
  void run(const ImageView& image, const Destination& destination);

 private:
  // Columns that are made in one go, so that the rows between the two passes stay few bytes.
  struct Tile {
    int first_block, blocks;
    int count;
    int source_first, source_last;
  };
  struct Shape {
    Size size{};
    bool transposed = false, mirror_columns = false;
    bool operator==(const Shape&) const = default;
  };

  void prepare(const Shape& shape);
  void cut_tiles();
  void run_tile(const ImageView& image, const Tile& tile, const Destination& destination);
  void narrow(const uint8_t* row, const Tile& tile, int index);
  uint8_t* kept_row(int index);
  void fill_padding(const Destination& destination) const;

  PreprocessSpec spec_;
  const RowKernels& kernels_;
  double reducing_gap_;
  Destination::Tables tables_;
  Shape shape_;
  Axes axes_{};
  Halving halving_;
  FilterTable columns_, rows_;
  std::vector<Tile> tiles_;
  RowScratch scratch_;
  std::vector<int32_t> tile_first_;
  RowMemory ring_, line_, fill_;
  size_t ring_pitch_ = 0;
  std::vector<const uint8_t*> window_;
};

}  // namespace resnetft
