// SPDX-License-Identifier: MIT
#include "device/cuda/frame_plan.h"

#include <algorithm>
#include <cstring>

#include "device/cuda/number_bits.h"
#include "image/filter_table.h"
#include "image/resampler.h"

namespace resnetft {
namespace {

FrameSource source_of(const ImageView& image) {
  const FormatLayout& layout = layout_of(image.format);
  const Turn turn = turn_of(image.orientation);
  const Region region = region_of(image);
  FrameSource source{};
  for (size_t i = 0; i < image.planes.size(); ++i) {
    source.planes[i] = image.planes[i];
    source.strides[i] = image.strides[i];
  }
  source.family = layout.family;
  source.pixel = layout.pixel;
  source.luma_byte = layout.luma_byte;
  if (layout.family != FormatFamily::Packed) source.matrix = yuv_to_rgb_of(image);
  source.x = region.x;
  source.y = region.y;
  source.width = region.width;
  source.height = region.height;
  source.transposed = turn.transposed;
  source.mirror_rows = turn.mirror_rows;
  return source;
}

}  // namespace

FramePlan::FramePlan(const PreprocessSpec& spec, NumberType number) : spec_(spec), number_(number) {}

bool FramePlan::prepare(const ImageView& image) {
  const Shape shape = {turned_size(image), turn_of(image.orientation).mirror_columns};
  if (shape == shape_) return false;
  shape_ = {};  // stays so if memory runs out half-way
  tables_.clear();
  axes_ = axes_of(spec_, shape.size);
  add_numbers();
  columns_ = add_axis(axes_.columns, shape.size.width, shape.mirror_columns);
  rows_ = add_axis(axes_.rows, shape.size.height, false);
  shape_ = shape;
  return true;
}

template <class Value>
size_t FramePlan::add(std::span<const Value> values) {
  constexpr size_t kAlignment = 8;
  const size_t place = (tables_.size() + kAlignment - 1) / kAlignment * kAlignment;
  tables_.resize(place + values.size_bytes());
  std::memcpy(tables_.data() + place, values.data(), values.size_bytes());
  return place;
}

FramePlan::AxisPlace FramePlan::add_axis(const Axis& axis, int source_size, bool mirrored) {
  FilterTable table;
  make_filter_table(axis, source_size, spec_.interpolation, mirrored, 1, kPlainKernels, table);
  const size_t outputs = static_cast<size_t>(axis.count);
  const int taps = table.groups * kGroupTaps;
  const std::span<const uint8_t> weights(table.weights.data(), outputs * static_cast<size_t>(taps) * sizeof(int32_t));
  return {add(std::span<const int32_t>(table.first).first(outputs)),
          add(std::span<const int32_t>(table.last).first(outputs)), add(weights), taps};
}

void FramePlan::add_numbers() {
  const Destination::Tables tables = normalization_tables(spec_);
  const std::span<const float> values(tables.front().data(), tables.size() * tables.front().size());
  if (number_ == NumberType::Float32) {
    numbers_ = add(values);
    return;
  }
  std::vector<uint16_t> narrow(values.size());
  std::ranges::transform(values, narrow.begin(), number_ == NumberType::Float16 ? half_of : bfloat16_of);
  numbers_ = add(std::span<const uint16_t>(narrow));
}

FrameAxis FramePlan::axis_of(const AxisPlace& place, const Axis& axis, const uint8_t* tables) const {
  const auto at = [&](size_t offset) { return reinterpret_cast<const int32_t*>(tables + offset); };
  return {at(place.first), at(place.last), at(place.weights), place.taps, axis.before, axis.count};
}

FrameTask FramePlan::task(const ImageView& image, const FrameChange& change, const uint8_t* tables,
                          void* output) const {
  FrameTask task{};
  task.source = source_of(image);
  task.columns = axis_of(columns_, axes_.columns, tables);
  task.rows = axis_of(rows_, axes_.rows, tables);
  task.width = spec_.crop_width;
  task.height = spec_.crop_height;
  task.shift_x = change.shift_x;
  task.shift_y = change.shift_y;
  task.flip = change.flip;
  task.erased_x = change.erased.x;
  task.erased_y = change.erased.y;
  task.erased_width = change.erased.width;
  task.erased_height = change.erased.height;
  for (size_t channel = 0; channel < 3; ++channel) task.padding[channel] = padding_value(spec_, channel);
  task.number_bytes = number_ == NumberType::Float32 ? 4 : 2;
  task.numbers = tables + numbers_;
  task.output = output;
  return task;
}

}  // namespace resnetft
