// SPDX-License-Identifier: MIT
// Two passes as in Pillow: across first, rounded to 8 bits, then down. Rows that were filtered across wait in a ring
// as long as the filter down is high. Where that would be large (a picture of 32768 rows made one row high), the
// output is made in tiles of columns.
#include "image/resampler.h"

#include <algorithm>
#include <cmath>

namespace resnetft {
namespace {

constexpr size_t kRingBytes = size_t{1} << 20;
constexpr int kFewestTileBlocks = 4;

size_t pitch_of(int pixels) {
  return (static_cast<size_t>(pixels) * 4 + kRowSlack) / kRowSlack * kRowSlack + kRowSlack;
}

}  // namespace

Destination::Tables normalization_tables(const PreprocessSpec& spec) {
  Destination::Tables tables;
  for (size_t channel = 0; channel < 3; ++channel)
    for (size_t value = 0; value < 256; ++value)
      tables[channel][value] = (static_cast<float>(value) / 255.0f - spec.mean[channel]) / spec.std[channel];
  return tables;
}

uint8_t padding_value(const PreprocessSpec& spec, size_t channel) {
  if (spec.mode != ResizeMode::Letterbox) return 0;
  return static_cast<uint8_t>(std::lround(std::clamp(spec.mean[channel], 0.0f, 1.0f) * 255.0f));
}

void Destination::store(int x, int y, int count, const uint8_t* rgbx, const Tables& tables) const {
  const ptrdiff_t at = static_cast<ptrdiff_t>(y) * width + x;
  const ptrdiff_t plane = static_cast<ptrdiff_t>(width) * height;
  if (pixels) {
    uint8_t* out = pixels + at * 3;
    for (int i = 0; i < count; ++i)
      for (int channel = 0; channel < 3; ++channel) out[i * 3 + channel] = rgbx[i * 4 + channel];
  } else if (layout == TensorLayout::Nhwc) {
    float* out = tensor + at * 3;
    for (int i = 0; i < count; ++i)
      for (size_t channel = 0; channel < 3; ++channel)
        out[static_cast<size_t>(i) * 3 + channel] = tables[channel][rgbx[static_cast<size_t>(i) * 4 + channel]];
  } else {
    for (size_t channel = 0; channel < 3; ++channel) {
      float* out = tensor + static_cast<ptrdiff_t>(channel) * plane + at;
      for (int i = 0; i < count; ++i) out[i] = tables[channel][rgbx[static_cast<size_t>(i) * 4 + channel]];
    }
  }
}

Resampler::Resampler(const PreprocessSpec& spec, const RowKernels& kernels, double reducing_gap)
    : spec_(spec), kernels_(kernels), reducing_gap_(reducing_gap), tables_(normalization_tables(spec)) {
  fill_.resize(pitch_of(spec.crop_width));
  for (int i = 0; i < spec.crop_width; ++i)
    for (size_t channel = 0; channel < 3; ++channel)
      fill_.data()[static_cast<size_t>(i) * 4 + channel] = padding_value(spec, channel);
}

void Resampler::run(const ImageView& image, const Destination& destination) {
  const Turn turn = turn_of(image.orientation);
  const Shape shape = {turned_size(image), turn.transposed, turn.mirror_columns};
  if (shape != shape_) prepare(shape);
  fill_padding(destination);
  for (const Tile& tile : tiles_) run_tile(image, tile, destination);
}

void Resampler::prepare(const Shape& shape) {
  shape_ = {};  // stays so if memory runs out half-way
  axes_ = axes_of(spec_, shape.size);
  halving_ = halving_of(axes_, shape.size, shape.transposed, reducing_gap_);
  make_filter_table(axes_.columns, shape.size.width / halving_.columns, spec_.interpolation, shape.mirror_columns,
                    kBlockOutputs, kernels_, columns_);
  make_filter_table(axes_.rows, shape.size.height / halving_.rows, spec_.interpolation, false, 1, kernels_, rows_);
  cut_tiles();

  int widest = 0, longest = 0;
  for (const Tile& tile : tiles_) {
    widest = std::max(widest, tile.blocks * kBlockOutputs);
    longest = std::max(longest, tile.source_last - tile.source_first);
  }
  scratch_.reserve(longest, columns_.groups * kGroupTaps, shape.transposed, halving_);
  const size_t ring_rows = static_cast<size_t>(rows_.groups) * kGroupTaps;
  ring_pitch_ = pitch_of(widest);
  ring_.resize(ring_pitch_ * ring_rows);
  line_.resize(ring_pitch_);
  window_.resize(ring_rows);
  tile_first_.resize(static_cast<size_t>(widest));
  shape_ = shape;
}

void Resampler::cut_tiles() {
  const size_t ring_rows = static_cast<size_t>(rows_.groups) * kGroupTaps;
  const int fitting = static_cast<int>(kRingBytes / (ring_rows * 4 * kBlockOutputs));
  const int blocks = static_cast<int>(columns_.first.size()) / kBlockOutputs;
  const int step = std::clamp(fitting, kFewestTileBlocks, std::max(blocks, kFewestTileBlocks));
  tiles_.clear();
  for (int block = 0; block < blocks; block += step) {
    Tile tile = {block, std::min(step, blocks - block), 0, 0, 0};
    const auto begin = block * kBlockOutputs, end = begin + tile.blocks * kBlockOutputs;
    tile.count = std::min(end, axes_.columns.count) - begin;
    tile.source_first = *std::min_element(columns_.first.begin() + begin, columns_.first.begin() + end);
    tile.source_last = *std::max_element(columns_.last.begin() + begin, columns_.last.begin() + end);
    tiles_.push_back(tile);
  }
}

uint8_t* Resampler::kept_row(int index) {
  return ring_.data() + static_cast<size_t>(index) % window_.size() * ring_pitch_;
}

void Resampler::narrow(const uint8_t* row, const Tile& tile, int index) {
  const AcrossFilter filter = {tile_first_.data(),
                               columns_.weights.data() + FilterTable::group_offset(tile.first_block * kBlockOutputs, 0,
                                                                                   columns_.groups, kBlockOutputs),
                               tile.blocks, columns_.groups};
  kernels_.filter_across(row, filter, kept_row(index));
}

void Resampler::run_tile(const ImageView& image, const Tile& tile, const Destination& destination) {
  for (int i = 0; i < tile.blocks * kBlockOutputs; ++i)
    tile_first_[static_cast<size_t>(i)] =
        columns_.first[static_cast<size_t>(tile.first_block * kBlockOutputs + i)] - tile.source_first;
  RowReader reader(image, tile.source_first, tile.source_last - tile.source_first, halving_, kernels_, scratch_);
  int next = 0;  // the first source row that was not yet filtered across
  for (int y = 0; y < axes_.rows.count; ++y) {
    const int first = rows_.first[static_cast<size_t>(y)], last = rows_.last[static_cast<size_t>(y)];
    for (next = std::max(next, first); next < last; ++next) narrow(reader.read(next), tile, next);
    for (size_t tap = 0; tap < window_.size(); ++tap) window_[tap] = kept_row(first + static_cast<int>(tap));
    kernels_.filter_down(window_.data(), rows_.weights.data() + FilterTable::group_offset(y, 0, rows_.groups, 1),
                         rows_.groups, tile.count, line_.data());
    destination.store(axes_.columns.before + tile.first_block * kBlockOutputs, axes_.rows.before + y, tile.count,
                      line_.data(), tables_);
  }
}

void Resampler::fill_padding(const Destination& destination) const {
  const Axis &columns = axes_.columns, &rows = axes_.rows;
  const int right = columns.before + columns.count;
  for (int y = 0; y < spec_.crop_height; ++y) {
    if (y < rows.before || y >= rows.before + rows.count) {
      destination.store(0, y, spec_.crop_width, fill_.data(), tables_);
    } else {
      destination.store(0, y, columns.before, fill_.data(), tables_);
      destination.store(right, y, spec_.crop_width - right, fill_.data(), tables_);
    }
  }
}

}  // namespace resnetft
