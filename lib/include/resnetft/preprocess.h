// SPDX-License-Identifier: MIT
// From a picture to a model's input: colour, orientation, resize, crop, mean and standard deviation, as Pillow and
// torchvision do it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "resnetft/error.h"
#include "resnetft/image.h"

namespace resnetft {

// Bilinear is the triangle filter, Bicubic Keys' with a = -0.5; both antialiased when they reduce, as in Pillow.
enum class Interpolation { Bilinear, Bicubic };

// Crop: the shortest side becomes `resize` pixels (0: as it is), then the centre is kept; what the crop has beyond the
// resized picture is black, as in torchvision's center_crop. Stretch: both sides become the crop's. Letterbox: the
// whole picture fits the crop, centred, the rest is filled with the mean colour.
enum class ResizeMode { Crop, Stretch, Letterbox };

// What a model wants to see; it comes from the model's card. `mean` and `std` are of values in [0, 1], in the order R,
// G, B.
struct PreprocessSpec {
  ResizeMode mode = ResizeMode::Crop;
  Interpolation interpolation = Interpolation::Bilinear;
  int resize = 256;
  int crop_width = 224;
  int crop_height = 224;
  std::array<float, 3> mean = {0.485f, 0.456f, 0.406f};
  std::array<float, 3> std = {0.229f, 0.224f, 0.225f};
  bool operator==(const PreprocessSpec&) const = default;
};

// Where the values of a pixel lie in a tensor: [3, H, W] or [H, W, 3].
enum class TensorLayout { Nchw, Nhwc };

// Reentrant, not thread-safe: it keeps the filter of the last size and its scratch, so that a stream of equal frames
// costs no allocation.
class Preprocessor {
 public:
  // `reducing_gap`, as Pillow's: pairs of rows, and pairs of columns, are averaged before the filters as long as what
  // is left is at least so many times as long as it becomes: faster, and hardly another picture from 2 on. Up to four
  // times, while the side is even, and not where the orientation exchanges the sides. 0: the filters alone.
  // InvalidArgument: a size outside 1 to 32768, a std that is not positive, a mean or std that is not finite, a gap
  // below 1 that is not 0.
  static Result<Preprocessor> create(const PreprocessSpec& spec, double reducing_gap = 0);
  Preprocessor(Preprocessor&&) noexcept;
  Preprocessor& operator=(Preprocessor&&) noexcept;
  ~Preprocessor();

  const PreprocessSpec& spec() const;

  // The resized and cropped picture, [crop_height, crop_width, 3] in R, G, B; `pixels` has exactly that many bytes.
  // Computes only the rows and columns that the crop keeps; memory is bounded by the source's size plus the output's.
  // InvalidArgument: no pixels, sides outside 1 to 32768, a region outside the picture, a GPU's memory.
  Status to_pixels(const ImageView& image, std::span<uint8_t> pixels);

  // The same as floats, (value / 255 - mean) / std.
  Status to_tensor(const ImageView& image, std::span<float> tensor, TensorLayout layout = TensorLayout::Nchw);

 private:
  struct State;
  explicit Preprocessor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace resnetft
