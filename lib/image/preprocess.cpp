// SPDX-License-Identifier: MIT
// Two passes as in Pillow: along the rows first, rounded to 8 bits, then along the columns. Only the source rows and
// columns under the crop are read.
#include "resnetft/preprocess.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "image/pixel_math.h"
#include "image/pixel_reader.h"
#include "image/resize_plan.h"

namespace resnetft {
namespace {

constexpr int kMaxSide = 32768;
constexpr size_t kChannels = 3;

bool is_side(int size) { return size >= 1 && size <= kMaxSide; }
std::string size_text(int width, int height) { return std::to_string(width) + "x" + std::to_string(height); }

// What EXIF's eight orientations do: transpose first, then mirror.
struct Turn {
  bool transpose, mirror_x, mirror_y;
};
constexpr std::array kTurns = {
    Turn{false, false, false}, Turn{false, true, false}, Turn{false, true, true}, Turn{false, false, true},
    Turn{true, false, false},  Turn{true, true, false},  Turn{true, true, true},  Turn{true, false, true},
};

const Turn& turn_of(Orientation orientation) {
  const size_t index = static_cast<size_t>(orientation) - 1;
  return kTurns[index < kTurns.size() ? index : 0];
}

// The picture as it must be seen: its region, turned. Reads rows of the turned picture.
class TurnedPicture {
 public:
  explicit TurnedPicture(const ImageView& view)
      : reader_(view), region_(view.region), turn_(turn_of(view.orientation)) {
    if (region_.width == 0 || region_.height == 0) region_ = {0, 0, view.width, view.height};
  }

  int width() const { return turn_.transpose ? region_.height : region_.width; }
  int height() const { return turn_.transpose ? region_.width : region_.height; }

  // Pixels begin to end of turned row y, to 3 * (end - begin) bytes.
  void read(int y, int begin, int end, uint8_t* rgb) const {
    if (turn_.mirror_y) y = height() - 1 - y;
    const int count = end - begin;
    const int first = turn_.mirror_x ? width() - end : begin;
    if (turn_.transpose)
      for (int i = 0; i < count; ++i) reader_.read(region_.x + y, region_.y + first + i, 1, rgb + i * 3);
    else
      reader_.read(region_.x + first, region_.y + y, count, rgb);
    if (!turn_.mirror_x) return;
    for (int left = 0, right = count - 1; left < right; ++left, --right)
      std::swap_ranges(rgb + left * 3, rgb + left * 3 + 3, rgb + right * 3);
  }

 private:
  PixelReader reader_;
  Region region_;
  Turn turn_;
};

void filter_row(const uint8_t* source, const AxisPlan& columns, uint8_t* output) {
  for (const Taps& taps : columns.taps) {
    int32_t sums[kChannels] = {kFilterRounding, kFilterRounding, kFilterRounding};
    const uint8_t* pixel = source + static_cast<size_t>(taps.first - columns.first_source()) * kChannels;
    const int32_t* weights = columns.weights.data() + taps.offset;
    for (int i = 0; i < taps.count; ++i, pixel += kChannels)
      for (size_t c = 0; c < kChannels; ++c) sums[c] += weights[i] * pixel[c];
    for (const int32_t sum : sums) *output++ = from_fixed_point(sum);
  }
}

// `sums` has room for one row.
void filter_columns(const uint8_t* rows, size_t row_bytes, const int32_t* weights, int count, int32_t* sums,
                    uint8_t* output) {
  std::fill_n(sums, row_bytes, kFilterRounding);
  for (int tap = 0; tap < count; ++tap, rows += row_bytes)
    for (size_t i = 0; i < row_bytes; ++i) sums[i] += weights[tap] * rows[i];
  for (size_t i = 0; i < row_bytes; ++i) output[i] = from_fixed_point(sums[i]);
}

Status check_image(const ImageView& image) {
  const Region& region = image.region;
  if (!image.planes[0] || !is_side(image.width) || !is_side(image.height))
    return Error{ErrorCode::InvalidArgument, "a picture of " + size_text(image.width, image.height) + " pixels",
                 "sides must be between 1 and " + std::to_string(kMaxSide)};
  if (region.x < 0 || region.y < 0 || region.width < 0 || region.height < 0 || region.width > image.width - region.x ||
      region.height > image.height - region.y)
    return Error{ErrorCode::InvalidArgument,
                 "a region of " + size_text(region.width, region.height) + " pixels at " + std::to_string(region.x) +
                     "," + std::to_string(region.y) + " outside the picture of " + size_text(image.width, image.height),
                 "choose a region inside the picture"};
  return Status::success();
}

Status check_output(const PreprocessSpec& spec, size_t size) {
  const size_t expected = static_cast<size_t>(spec.crop_width) * static_cast<size_t>(spec.crop_height) * kChannels;
  if (size == expected) return Status::success();
  return Error{ErrorCode::InvalidArgument, "an output of " + std::to_string(size) + " values",
               "this crop needs " + std::to_string(expected)};
}

Error out_of_memory(const ImageView& image) {
  return {ErrorCode::OutOfMemory, "no memory for a picture of " + size_text(image.width, image.height) + " pixels",
          "use a smaller picture"};
}

}  // namespace

struct Preprocessor::State {
  PreprocessSpec spec;
  int planned_width = 0, planned_height = 0;
  ResizePlan plan;
  std::vector<uint8_t> source_row, narrowed, pixels;
  std::vector<int32_t> sums;
  std::array<std::array<float, 256>, kChannels> normalized;
  std::array<uint8_t, kChannels> fill;

  explicit State(const PreprocessSpec& wanted) : spec(wanted) {
    for (size_t c = 0; c < kChannels; ++c) {
      for (size_t value = 0; value < 256; ++value)
        normalized[c][value] = (static_cast<float>(value) / 255.0f - spec.mean[c]) / spec.std[c];
      const bool bars = spec.mode == ResizeMode::Letterbox;
      fill[c] = bars ? clamp_to_byte(static_cast<int32_t>(std::lround(spec.mean[c] * 255.0f))) : uint8_t{0};
    }
  }

  void prepare(int width, int height) {
    if (width == planned_width && height == planned_height) return;
    plan = plan_resize(spec, width, height);
    planned_width = width;
    planned_height = height;
    const size_t row_bytes = plan.columns.taps.size() * kChannels;
    source_row.resize(static_cast<size_t>(plan.columns.end_source() - plan.columns.first_source()) * kChannels);
    narrowed.resize(static_cast<size_t>(plan.rows.end_source() - plan.rows.first_source()) * row_bytes);
    sums.resize(row_bytes);
  }

  void narrow(const TurnedPicture& picture) {
    const size_t row_bytes = plan.columns.taps.size() * kChannels;
    uint8_t* output = narrowed.data();
    for (int y = plan.rows.first_source(); y < plan.rows.end_source(); ++y, output += row_bytes) {
      picture.read(y, plan.columns.first_source(), plan.columns.end_source(), source_row.data());
      filter_row(source_row.data(), plan.columns, output);
    }
  }

  void fill_with_bars(std::span<uint8_t> output) const {
    const bool covered = static_cast<int>(plan.columns.taps.size()) == spec.crop_width &&
                         static_cast<int>(plan.rows.taps.size()) == spec.crop_height;
    if (covered) return;
    for (size_t i = 0; i < output.size(); ++i) output[i] = fill[i % kChannels];
  }

  void run(const ImageView& image, std::span<uint8_t> output) {
    const TurnedPicture picture(image);
    prepare(picture.width(), picture.height());
    narrow(picture);
    fill_with_bars(output);
    const size_t row_bytes = plan.columns.taps.size() * kChannels;
    for (size_t y = 0; y < plan.rows.taps.size(); ++y) {
      const Taps& taps = plan.rows.taps[y];
      const size_t line = static_cast<size_t>(plan.rows.start) + y;
      const size_t start = line * static_cast<size_t>(spec.crop_width) + static_cast<size_t>(plan.columns.start);
      filter_columns(narrowed.data() + static_cast<size_t>(taps.first - plan.rows.first_source()) * row_bytes,
                     row_bytes, plan.rows.weights.data() + taps.offset, taps.count, sums.data(),
                     output.data() + start * kChannels);
    }
  }
};

Preprocessor::Preprocessor(std::unique_ptr<State> state) : state_(std::move(state)) {}
Preprocessor::Preprocessor(Preprocessor&&) noexcept = default;
Preprocessor& Preprocessor::operator=(Preprocessor&&) noexcept = default;
Preprocessor::~Preprocessor() = default;

Result<Preprocessor> Preprocessor::create(const PreprocessSpec& spec) {
  if (!is_side(spec.crop_width) || !is_side(spec.crop_height) || (spec.resize != 0 && !is_side(spec.resize)))
    return Error{ErrorCode::InvalidArgument,
                 "resize " + std::to_string(spec.resize) + " with crop " + size_text(spec.crop_width, spec.crop_height),
                 "each must be between 1 and " + std::to_string(kMaxSide)};
  for (size_t c = 0; c < kChannels; ++c)
    if (!std::isfinite(spec.mean[c]) || !std::isfinite(spec.std[c]) || spec.std[c] <= 0)
      return Error{ErrorCode::InvalidArgument,
                   "mean " + std::to_string(spec.mean[c]) + " with std " + std::to_string(spec.std[c]),
                   "both must be finite, and std positive"};
  return Preprocessor(std::make_unique<State>(spec));
}

const PreprocessSpec& Preprocessor::spec() const { return state_->spec; }

Status Preprocessor::to_pixels(const ImageView& image, std::span<uint8_t> pixels) try {
  if (Status status = check_image(image); !status) return status;
  if (Status status = check_output(state_->spec, pixels.size()); !status) return status;
  state_->run(image, pixels);
  return Status::success();
} catch (const std::bad_alloc&) {
  return out_of_memory(image);
}

Status Preprocessor::to_tensor(const ImageView& image, std::span<float> tensor, TensorLayout layout) try {
  state_->pixels.resize(tensor.size());
  if (Status status = to_pixels(image, state_->pixels); !status) return status;
  const size_t plane = tensor.size() / kChannels;
  const size_t pixel_step = layout == TensorLayout::Nchw ? 1 : kChannels;
  const size_t channel_step = layout == TensorLayout::Nchw ? plane : 1;
  for (size_t c = 0; c < kChannels; ++c)
    for (size_t i = 0; i < plane; ++i)
      tensor[c * channel_step + i * pixel_step] = state_->normalized[c][state_->pixels[i * kChannels + c]];
  return Status::success();
} catch (const std::bad_alloc&) {
  return out_of_memory(image);
}

}  // namespace resnetft
