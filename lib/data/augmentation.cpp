// SPDX-License-Identifier: MIT
// The crop is drawn first, as shares of the picture's sides, so that a picture that was reduced while it was decoded
// gives the crop that the whole one would have given.
#include "data/augmentation.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "data/trivial_augment.h"
#include "image/geometry.h"

namespace resnetft {
namespace {

constexpr uint32_t kAugmentationStream = 1;
constexpr int kAttempts = 10;
// Of RandomResizedCrop and of erasing, in torchvision's reference.
constexpr double kCropRatioMin = 3.0 / 4, kCropRatioMax = 4.0 / 3;
constexpr double kEraseAreaMin = 0.02, kEraseAreaMax = 0.33, kEraseRatioMin = 0.3, kEraseRatioMax = 3.3;
constexpr int kPadShare = 8;
// What a reduced crop keeps, in times of the output's side.
constexpr int kReducedOversampling = 2;

Error invalid(const std::string& what, double value, const std::string& possible) {
  return {ErrorCode::InvalidArgument, what + " " + std::to_string(value), "possible is " + possible};
}

Status check_spec(const AugmentSpec& spec) {
  const auto is_share = [](double value) { return value >= 0 && value <= 1; };
  if (!(spec.scale_min > 0 && spec.scale_min <= 1))
    return invalid("smallest area of a crop", spec.scale_min, "more than 0, up to 1");
  if (!is_share(spec.flip)) return invalid("probability of a flip", spec.flip, "0 to 1");
  if (!is_share(spec.random_erase)) return invalid("probability of erasing", spec.random_erase, "0 to 1");
  if (!is_share(spec.color_jitter)) return invalid("colour jitter", spec.color_jitter, "0 to 1");
  return Status::success();
}

// Below: from 0 to less than `size`, without leaving it where a share is 1.
int part_of(double share, int size) { return std::min(size - 1, static_cast<int>(share * size)); }

Region region_of_shares(double width_share, double height_share, double x_share, double y_share, Size size) {
  const int width = std::clamp(static_cast<int>(std::lround(width_share * size.width)), 1, size.width);
  const int height = std::clamp(static_cast<int>(std::lround(height_share * size.height)), 1, size.height);
  return {part_of(x_share, size.width - width + 1), part_of(y_share, size.height - height + 1), width, height};
}

// As torchvision's: an area and a ratio are drawn until the rectangle fits; if none of ten does, the largest centred
// part within the bounds of the ratio is taken.
Region draw_resized_crop(CounterRandom& random, double scale_min, Size size) {
  const double aspect = static_cast<double>(size.width) / size.height;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const double area = random.uniform(scale_min, 1);
    const double ratio = std::exp(random.uniform(std::log(kCropRatioMin), std::log(kCropRatioMax)));
    const double width = std::sqrt(area * ratio / aspect), height = std::sqrt(area / ratio * aspect);
    if (width > 1 || height > 1) continue;
    const double x = random.uniform(), y = random.uniform();
    return region_of_shares(width, height, x, y, size);
  }
  const double width = std::min(1.0, kCropRatioMax / aspect), height = std::min(1.0, aspect / kCropRatioMin);
  Region part = region_of_shares(width, height, 0, 0, size);
  part.x = (size.width - part.width) / 2;
  part.y = (size.height - part.height) / 2;
  return part;
}

// A part of the turned picture, as a part of the stored one.
Region stored_region(Region part, const ImageView& image) {
  const Turn turn = turn_of(image.orientation);
  const Size size = turned_size(image);
  if (turn.mirror_columns) part.x = size.width - part.x - part.width;
  if (turn.mirror_rows) part.y = size.height - part.y - part.height;
  if (turn.transposed) part = {part.y, part.x, part.height, part.width};
  const Region whole = region_of(image);
  return {whole.x + part.x, whole.y + part.y, part.width, part.height};
}

// Where PadAndCrop's window comes to lie over the picture.
struct Shift {
  int x, y;
};
Shift draw_shift(CounterRandom& random, Size size) {
  const int pad_x = size.width / kPadShare, pad_y = size.height / kPadShare;
  const int x = static_cast<int>(random.below(static_cast<uint32_t>(2 * pad_x + 1))) - pad_x;
  const int y = static_cast<int>(random.below(static_cast<uint32_t>(2 * pad_y + 1))) - pad_y;
  return {x, y};
}

void flip_rows(std::span<uint8_t> pixels, int width) {
  const size_t row_bytes = static_cast<size_t>(width) * 3;
  for (size_t row = 0; row < pixels.size(); row += row_bytes)
    for (size_t left = row, right = row + row_bytes - 3; left < right; left += 3, right -= 3)
      std::swap_ranges(pixels.begin() + static_cast<ptrdiff_t>(left), pixels.begin() + static_cast<ptrdiff_t>(left + 3),
                       pixels.begin() + static_cast<ptrdiff_t>(right));
}

// Zhong et al. 2020 with torchvision's ranges and attempts.
std::optional<Region> draw_erased(CounterRandom& random, double probability, Size size) {
  if (!(random.uniform() < probability)) return std::nullopt;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const double area = random.uniform(kEraseAreaMin, kEraseAreaMax) * size.width * size.height;
    const double ratio = std::exp(random.uniform(std::log(kEraseRatioMin), std::log(kEraseRatioMax)));
    const int height = static_cast<int>(std::lround(std::sqrt(area * ratio)));
    const int width = static_cast<int>(std::lround(std::sqrt(area / ratio)));
    if (width < 1 || height < 1 || width >= size.width || height >= size.height) continue;
    const auto y = static_cast<int>(random.below(static_cast<uint32_t>(size.height - height + 1)));
    const auto x = static_cast<int>(random.below(static_cast<uint32_t>(size.width - width + 1)));
    return Region{x, y, width, height};
  }
  return std::nullopt;
}

using Tables = std::array<std::array<float, 256>, 3>;

Tables tables_of(const PreprocessSpec& spec) {
  Tables tables;
  for (size_t channel = 0; channel < 3; ++channel)
    for (size_t value = 0; value < 256; ++value)
      tables[channel][value] = (static_cast<float>(value) / 255.0f - spec.mean[channel]) / spec.std[channel];
  return tables;
}

PreprocessSpec stretched(PreprocessSpec spec) {
  spec.mode = ResizeMode::Stretch;
  return spec;
}

}  // namespace

struct Augmenter::State {
  AugmentSpec spec;
  uint64_t seed;
  Size size;
  Preprocessor stretch;     // of a crop
  Preprocessor evaluation;  // of a whole picture
  Tables tables;
  std::vector<uint8_t> pixels, whole;

  CounterRandom random(uint32_t epoch, uint32_t index) const {
    return CounterRandom(seed, kAugmentationStream, epoch, index);
  }

  Region draw_region(const ImageView& image, CounterRandom& random) const {
    return stored_region(draw_resized_crop(random, spec.scale_min, turned_size(image)), image);
  }

  bool draw_flip(CounterRandom& random) const { return random.uniform() < spec.flip; }

  // In the order in which to_tensor() draws.
  AugmentDraw draw(const ImageView& image, const PreprocessSpec& how, CounterRandom& random) const {
    AugmentDraw drawn{how, region_of(image), {}};
    if (spec.crop == CropKind::RandomResizedCrop) drawn.region = draw_region(image, random);
    if (spec.crop == CropKind::PadAndCrop) {
      const Shift shift = draw_shift(random, size);
      drawn.change.shift_x = shift.x;
      drawn.change.shift_y = shift.y;
    }
    drawn.change.flip = draw_flip(random);
    drawn.change.erased = draw_erased(random, spec.random_erase, size).value_or(Region{});
    return drawn;
  }

  Status crop(const ImageView& image, CounterRandom& random, std::span<uint8_t> target) {
    if (spec.crop == CropKind::None) return evaluation.to_pixels(image, target);
    if (spec.crop == CropKind::PadAndCrop) return pad_and_crop(image, random, target);
    if (image.width < 1 || image.height < 1) return evaluation.to_pixels(image, target);  // which says so
    ImageView part = image;
    part.region = draw_region(image, random);
    return stretch.to_pixels(part, target);
  }

  Status pad_and_crop(const ImageView& image, CounterRandom& random, std::span<uint8_t> target) {
    whole.resize(target.size());
    if (Status status = evaluation.to_pixels(image, whole); !status) return status;
    const auto [shift_x, shift_y] = draw_shift(random, size);
    std::ranges::fill(target, uint8_t{0});
    const int first_x = std::max(0, -shift_x), last_x = std::min(size.width, size.width - shift_x);
    for (int y = std::max(0, -shift_y); y < std::min(size.height, size.height - shift_y); ++y) {
      const auto from = whole.begin() + (ptrdiff_t{y + shift_y} * size.width + first_x + shift_x) * 3;
      std::copy_n(from, (last_x - first_x) * 3, target.begin() + (ptrdiff_t{y} * size.width + first_x) * 3);
    }
    return Status::success();
  }

  Status draw_pixels(const ImageView& image, CounterRandom& random, std::span<uint8_t> target) {
    if (Status status = crop(image, random, target); !status) return status;
    if (draw_flip(random)) flip_rows(target, size.width);
    const RgbPicture picture{target, size.width, size.height};
    if (spec.auto_augment == AutoAugment::TaWide) trivial_augment(picture, random);
    if (spec.color_jitter > 0) jitter_colors(picture, spec.color_jitter, random);
    return Status::success();
  }

  void normalize(std::span<float> tensor, TensorLayout layout) const {
    const size_t count = pixels.size() / 3;
    const size_t step = layout == TensorLayout::Nhwc ? 3 : 1, plane = layout == TensorLayout::Nhwc ? 1 : count;
    for (size_t channel = 0; channel < 3; ++channel)
      for (size_t i = 0; i < count; ++i) tensor[channel * plane + i * step] = tables[channel][pixels[i * 3 + channel]];
  }

  void erase(const Region& part, std::span<float> tensor, TensorLayout layout) const {
    const size_t count = pixels.size() / 3;
    const size_t step = layout == TensorLayout::Nhwc ? 3 : 1, plane = layout == TensorLayout::Nhwc ? 1 : count;
    for (int y = part.y; y < part.y + part.height; ++y)
      for (int x = part.x; x < part.x + part.width; ++x)
        for (size_t channel = 0; channel < 3; ++channel)
          tensor[channel * plane + static_cast<size_t>(y * size.width + x) * step] = 0;
  }
};

Result<PreprocessSpec> device_spec(const AugmentSpec& spec, const PreprocessSpec& output) {
  if (spec.auto_augment != AutoAugment::None || spec.color_jitter > 0)
    return Error{ErrorCode::Incompatible, "augmentation that changes colours runs on the CPU only", ""};
  return spec.crop == CropKind::RandomResizedCrop ? stretched(output) : output;
}

Result<Augmenter> Augmenter::create(const AugmentSpec& spec, const PreprocessSpec& output, uint64_t seed) {
  if (Status status = check_spec(spec); !status) return status.error();
  Result<Preprocessor> stretch = Preprocessor::create(stretched(output));
  if (!stretch) return stretch.error();
  Result<Preprocessor> evaluation = Preprocessor::create(output);
  if (!evaluation) return evaluation.error();
  return Augmenter(std::make_unique<State>(State{.spec = spec,
                                                 .seed = seed,
                                                 .size = {output.crop_width, output.crop_height},
                                                 .stretch = std::move(*stretch),
                                                 .evaluation = std::move(*evaluation),
                                                 .tables = tables_of(output),
                                                 .pixels = {},
                                                 .whole = {}}));
}

Augmenter::Augmenter(std::unique_ptr<State> state) : state_(std::move(state)) {}
Augmenter::Augmenter(Augmenter&&) noexcept = default;
Augmenter& Augmenter::operator=(Augmenter&&) noexcept = default;
Augmenter::~Augmenter() = default;

int Augmenter::reduce_by(int width, int height, uint32_t epoch, uint32_t index) const {
  if (state_->spec.crop != CropKind::RandomResizedCrop) return 1;
  CounterRandom random = state_->random(epoch, index);
  const Region part = draw_resized_crop(random, state_->spec.scale_min, {width, height});
  for (const int divisor : {8, 4, 2})
    if (part.width / divisor >= kReducedOversampling * state_->size.width &&
        part.height / divisor >= kReducedOversampling * state_->size.height)
      return divisor;
  return 1;
}

Status Augmenter::to_pixels(const ImageView& image, uint32_t epoch, uint32_t index, std::span<uint8_t> pixels) {
  CounterRandom random = state_->random(epoch, index);
  return state_->draw_pixels(image, random, pixels);
}

Status Augmenter::to_tensor(const ImageView& image, uint32_t epoch, uint32_t index, std::span<float> tensor,
                            TensorLayout layout) {
  State& state = *state_;
  CounterRandom random = state.random(epoch, index);
  state.pixels.resize(static_cast<size_t>(state.size.width) * static_cast<size_t>(state.size.height) * 3);
  if (tensor.size() != state.pixels.size())
    return Error{ErrorCode::InvalidArgument, "an output of " + std::to_string(tensor.size()) + " values",
                 "this crop needs " + std::to_string(state.pixels.size())};
  if (Status status = state.draw_pixels(image, random, state.pixels); !status) return status;
  state.normalize(tensor, layout);
  if (const std::optional<Region> erased = draw_erased(random, state.spec.random_erase, state.size))
    state.erase(*erased, tensor, layout);
  return Status::success();
}

Result<AugmentDraw> Augmenter::draw(const ImageView& image, uint32_t epoch, uint32_t index) const {
  const Result<PreprocessSpec> how = device_spec(state_->spec, state_->evaluation.spec());
  if (!how) return how.error();
  if (image.width < 1 || image.height < 1)
    return Error{ErrorCode::InvalidArgument, "a picture without pixels", "sides must be at least 1"};
  CounterRandom random = state_->random(epoch, index);
  return state_->draw(image, *how, random);
}

}  // namespace resnetft
