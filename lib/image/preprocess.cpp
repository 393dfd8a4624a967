// SPDX-License-Identifier: MIT
// Two passes as in Pillow: columns first, rounded to 8 bits, then rows. Only the source rows under the crop are read,
// and of each output only the columns that the crop keeps are computed.
#include "resnetft/preprocess.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "image/pixel_math.h"

namespace resnetft {
namespace {

constexpr int kMaxSide = 32768;
constexpr size_t kChannels = 3;

struct FormatRow {
  size_t bytes, red, green, blue;
};

// In the order of PixelFormat.
constexpr std::array kFormats = {
    FormatRow{3, 0, 1, 2}, FormatRow{3, 2, 1, 0}, FormatRow{4, 0, 1, 2}, FormatRow{4, 2, 1, 0},
    FormatRow{4, 1, 2, 3}, FormatRow{4, 3, 2, 1}, FormatRow{4, 0, 1, 2}, FormatRow{4, 2, 1, 0},
    FormatRow{4, 1, 2, 3}, FormatRow{4, 3, 2, 1}, FormatRow{1, 0, 0, 0},
};
static_assert(kFormats.size() == static_cast<size_t>(PixelFormat::Gray8) + 1);

// The source pixels that make one output pixel, and their weights.
struct Taps {
  int first;
  std::vector<int32_t> weights;
};

struct Axis {
  int full;    // the side of the whole resized picture
  int offset;  // the first output pixel that the crop keeps
  int size;    // how many it keeps
};

Taps taps_for(int output, int source_size, int full, Interpolation interpolation) {
  const bool bicubic = interpolation == Interpolation::Bicubic;
  const double scale = static_cast<double>(source_size) / full;
  const double stretch = std::max(scale, 1.0);
  const double support = filter_support(bicubic) * stretch;
  const double centre = (output + 0.5) * scale;
  const int first = std::max(0, static_cast<int>(centre - support + 0.5));
  const int last = std::min(source_size, static_cast<int>(centre + support + 0.5));
  std::vector<double> weights;
  double sum = 0.0;
  for (int x = first; x < last; ++x) {
    const double distance = (x - centre + 0.5) / stretch;
    weights.push_back(bicubic ? cubic_filter(distance) : triangle_filter(distance));
    sum += weights.back();
  }
  Taps taps{first, {}};
  for (const double weight : weights) taps.weights.push_back(to_fixed_point(weight / sum));
  return taps;
}

std::vector<Taps> taps_of_axis(const Axis& axis, int source_size, Interpolation interpolation) {
  std::vector<Taps> taps;
  for (int i = 0; i < axis.size; ++i) taps.push_back(taps_for(axis.offset + i, source_size, axis.full, interpolation));
  return taps;
}

// torchvision's center_crop rounds half to even, as Python's round() does; so does nearbyint().
Axis centred(int full, int size) { return {full, static_cast<int>(std::nearbyint((full - size) / 2.0)), size}; }

// The long side of torchvision's resize(): truncated, not rounded.
int long_side(int resize, int longer, int shorter) {
  return static_cast<int>(static_cast<int64_t>(resize) * longer / shorter);
}

Axis horizontal_axis(const PreprocessSpec& spec, const ImageView& image) {
  if (spec.mode == ResizeMode::Stretch) return {spec.crop_width, 0, spec.crop_width};
  const bool tall = image.width <= image.height;
  return centred(tall ? spec.resize : long_side(spec.resize, image.width, image.height), spec.crop_width);
}

Axis vertical_axis(const PreprocessSpec& spec, const ImageView& image) {
  if (spec.mode == ResizeMode::Stretch) return {spec.crop_height, 0, spec.crop_height};
  const bool tall = image.width <= image.height;
  return centred(tall ? long_side(spec.resize, image.height, image.width) : spec.resize, spec.crop_height);
}

bool is_side(int size) { return size >= 1 && size <= kMaxSide; }

std::string size_text(int width, int height) { return std::to_string(width) + "x" + std::to_string(height); }

Status check(const PreprocessSpec& spec, const ImageView& image) {
  if (!image.data || !is_side(image.width) || !is_side(image.height))
    return Error{ErrorCode::InvalidArgument, "a picture of " + size_text(image.width, image.height) + " pixels",
                 "sides must be between 1 and " + std::to_string(kMaxSide)};
  if (!is_side(spec.crop_width) || !is_side(spec.crop_height) || !is_side(spec.resize))
    return Error{ErrorCode::InvalidArgument,
                 "resize " + std::to_string(spec.resize) + " with crop " + size_text(spec.crop_width, spec.crop_height),
                 "each must be between 1 and " + std::to_string(kMaxSide)};
  const Axis columns = horizontal_axis(spec, image), rows = vertical_axis(spec, image);
  if (columns.size > columns.full || rows.size > rows.full)
    return Error{ErrorCode::InvalidArgument,
                 "crop " + size_text(columns.size, rows.size) + " is larger than the resized picture, " +
                     size_text(columns.full, rows.full),
                 "choose a larger resize or a smaller crop"};
  return Status::success();
}

void filter_row(const uint8_t* source, const FormatRow& format, const std::vector<Taps>& taps, uint8_t* output) {
  for (const Taps& column : taps) {
    std::array<int32_t, kChannels> sums = {kFilterRounding, kFilterRounding, kFilterRounding};
    const uint8_t* pixel = source + static_cast<size_t>(column.first) * format.bytes;
    for (const int32_t weight : column.weights) {
      sums[0] += weight * pixel[format.red];
      sums[1] += weight * pixel[format.green];
      sums[2] += weight * pixel[format.blue];
      pixel += format.bytes;
    }
    for (const int32_t sum : sums) *output++ = from_fixed_point(sum);
  }
}

void filter_columns(const uint8_t* rows, size_t row_bytes, const Taps& taps, uint8_t* output) {
  for (size_t i = 0; i < row_bytes; ++i) {
    int32_t sum = kFilterRounding;
    const uint8_t* value = rows + i;
    for (const int32_t weight : taps.weights) {
      sum += weight * *value;
      value += row_bytes;
    }
    output[i] = from_fixed_point(sum);
  }
}

template <class T>
Status check_output(const PreprocessSpec& spec, std::span<T> output) {
  const size_t expected = static_cast<size_t>(spec.crop_width) * static_cast<size_t>(spec.crop_height) * kChannels;
  if (output.size() == expected) return Status::success();
  return Error{ErrorCode::InvalidArgument, "an output of " + std::to_string(output.size()) + " values",
               "this crop needs " + std::to_string(expected)};
}

}  // namespace

Status preprocess_to_pixels(const PreprocessSpec& spec, const ImageView& image, std::span<uint8_t> pixels) {
  if (Status status = check(spec, image); !status) return status;
  if (Status status = check_output(spec, pixels); !status) return status;
  const FormatRow& format = kFormats[static_cast<size_t>(image.format)];
  const std::vector<Taps> columns = taps_of_axis(horizontal_axis(spec, image), image.width, spec.interpolation);
  const std::vector<Taps> rows = taps_of_axis(vertical_axis(spec, image), image.height, spec.interpolation);

  const int first_row = rows.front().first;
  const int end_row = rows.back().first + static_cast<int>(rows.back().weights.size());
  const size_t row_bytes = columns.size() * kChannels;
  std::vector<uint8_t> narrowed(static_cast<size_t>(end_row - first_row) * row_bytes);
  for (int y = first_row; y < end_row; ++y)
    filter_row(image.data + y * image.stride, format, columns,
               narrowed.data() + static_cast<size_t>(y - first_row) * row_bytes);
  for (size_t y = 0; y < rows.size(); ++y)
    filter_columns(narrowed.data() + static_cast<size_t>(rows[y].first - first_row) * row_bytes, row_bytes, rows[y],
                   pixels.data() + y * row_bytes);
  return Status::success();
}

Status preprocess_to_tensor(const PreprocessSpec& spec, const ImageView& image, std::span<float> tensor) {
  if (Status status = check(spec, image); !status) return status;
  if (Status status = check_output(spec, tensor); !status) return status;
  std::vector<uint8_t> pixels(tensor.size());
  if (Status status = preprocess_to_pixels(spec, image, pixels); !status) return status;
  const size_t plane = tensor.size() / kChannels;
  for (size_t i = 0; i < plane; ++i)
    for (size_t c = 0; c < kChannels; ++c)
      tensor[c * plane + i] = (static_cast<float>(pixels[i * kChannels + c]) / 255.0f - spec.mean[c]) / spec.std[c];
  return Status::success();
}

}  // namespace resnetft
