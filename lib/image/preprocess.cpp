// SPDX-License-Identifier: MIT
// The public face: checks what comes in, then lets a Resampler do the work.
#include "resnetft/preprocess.h"

#include <cmath>
#include <new>
#include <string>

#include "image/pixel_format.h"
#include "image/resampler.h"

namespace resnetft {
namespace {

Error invalid(std::string message, std::string hint) {
  return {ErrorCode::InvalidArgument, std::move(message), std::move(hint)};
}

Error out_of_memory(Size size) {
  return {ErrorCode::OutOfMemory,
          "no memory to preprocess a picture of " + std::to_string(size.width) + "x" + std::to_string(size.height),
          "free memory, or choose a smaller crop"};
}

Status check_spec(const PreprocessSpec& spec) {
  const auto is_side = [](int size) { return size >= 1 && size <= kMaxSide; };
  const std::string limit = std::to_string(kMaxSide);
  if (!is_side(spec.crop_width) || !is_side(spec.crop_height))
    return invalid("crop " + std::to_string(spec.crop_width) + "x" + std::to_string(spec.crop_height),
                   "sides must be between 1 and " + limit);
  if (spec.resize != 0 && !is_side(spec.resize))
    return invalid("resize " + std::to_string(spec.resize),
                   "the shortest side must become 1 to " + limit + " pixels, or 0 for no resize");
  for (size_t channel = 0; channel < 3; ++channel) {
    const float mean = spec.mean[channel], std = spec.std[channel];
    if (!std::isfinite(mean) || !std::isfinite(std) || std <= 0)
      return invalid("mean " + std::to_string(mean) + " with std " + std::to_string(std),
                     "both must be finite, and std above 0; they are of values in 0 to 1");
  }
  return Status::success();
}

Status check_output(const PreprocessSpec& spec, size_t values) {
  const size_t expected = static_cast<size_t>(spec.crop_width) * static_cast<size_t>(spec.crop_height) * 3;
  if (values == expected) return Status::success();
  return invalid("an output of " + std::to_string(values) + " values",
                 "this crop needs " + std::to_string(expected) + ", 3 for each pixel");
}

}  // namespace

struct Preprocessor::State {
  Resampler resampler;

  Status run(const ImageView& image, Destination destination, size_t values) {
    if (Status status = check_view(image); !status) return status;
    if (Status status = check_is_on_host(image); !status) return status;
    if (Status status = check_output(resampler.spec(), values); !status) return status;
    destination.width = resampler.spec().crop_width;
    destination.height = resampler.spec().crop_height;
    try {
      resampler.run(image, destination);
    } catch (const std::bad_alloc&) {
      return out_of_memory({image.width, image.height});
    }
    return Status::success();
  }
};

Result<Preprocessor> Preprocessor::create(const PreprocessSpec& spec, double reducing_gap) {
  if (Status status = check_spec(spec); !status) return status.error();
  if (!std::isfinite(reducing_gap) || reducing_gap < 0 || (reducing_gap > 0 && reducing_gap < 1))
    return invalid("a reducing gap of " + std::to_string(reducing_gap), "it must be 1 or more, or 0 for none");
  try {
    return Preprocessor(
        std::unique_ptr<State>(new State{Resampler(spec, row_kernels(best_simd_level()), reducing_gap)}));
  } catch (const std::bad_alloc&) {
    return out_of_memory({spec.crop_width, spec.crop_height});
  }
}

Preprocessor::Preprocessor(std::unique_ptr<State> state) : state_(std::move(state)) {}
Preprocessor::Preprocessor(Preprocessor&&) noexcept = default;
Preprocessor& Preprocessor::operator=(Preprocessor&&) noexcept = default;
Preprocessor::~Preprocessor() = default;

const PreprocessSpec& Preprocessor::spec() const { return state_->resampler.spec(); }

Status Preprocessor::to_pixels(const ImageView& image, std::span<uint8_t> pixels) {
  Destination destination;
  destination.pixels = pixels.data();
  return state_->run(image, destination, pixels.size());
}

Status Preprocessor::to_tensor(const ImageView& image, std::span<float> tensor, TensorLayout layout) {
  Destination destination;
  destination.tensor = tensor.data();
  destination.layout = layout;
  return state_->run(image, destination, tensor.size());
}

}  // namespace resnetft
