// SPDX-License-Identifier: MIT
// What training sees of a picture: a pure function of (seed, epoch, index), by a counter-based generator, so that the
// number of workers, their order and a resume change nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "device/frame_change.h"
#include "resnetft/error.h"
#include "resnetft/preprocess.h"

namespace resnetft {

// Philox-4x32-10 (Salmon et al. 2011): the key is the seed, the counter (stream, epoch, index, draw). A device draws
// the same numbers.
class CounterRandom {
 public:
  // `stream` keeps users apart: 0 order, 1 augmentation, 2 mixup and cutmix, 3 head initialisation.
  CounterRandom(uint64_t seed, uint32_t stream, uint32_t epoch, uint32_t index);
  uint32_t next_u32();
  double uniform();                         // [0, 1), 32 bits
  double uniform(double low, double high);  // [low, high)
  uint32_t below(uint32_t count);           // [0, count), unbiased
  double normal();                          // Box-Muller
  double beta(double alpha);                // symmetric Beta(alpha, alpha), Joehnk or Cheng

 private:
  uint32_t key_[2];
  uint32_t counter_[4];
  uint32_t block_[4];
  unsigned used_ = 4;
};

// RandomResizedCrop: Szegedy et al. 2015 (area 0.08 to 1, ratio 3/4 to 4/3). PadAndCrop: the picture brought to the
// crop's size as in evaluation, padded by an eighth of it on each side with black, cropped at random (He 2016a, 4
// pixels for 32). None: as in evaluation.
enum class CropKind { RandomResizedCrop, PadAndCrop, None };
enum class AutoAugment { None, TaWide };

struct AugmentSpec {
  CropKind crop = CropKind::RandomResizedCrop;
  double scale_min = 0.08;  // smallest area of a RandomResizedCrop
  double flip = 0.5;        // probability of a horizontal flip
  double color_jitter = 0;  // strength s: brightness, contrast, saturation within 1 +- s, hue within s / 4
  AutoAugment auto_augment = AutoAugment::None;  // TaWide: TrivialAugment, Mueller and Hutter 2021, wide space
  double random_erase = 0;  // probability; Zhong et al. 2020: area 0.02 to 0.33, ratio 0.3 to 3.3, erased to the mean
  bool operator==(const AugmentSpec&) const = default;
};

// How a device preprocesses what an Augmenter of these draws. Incompatible where colours change (colour jitter,
// TrivialAugment), which no device does.
Result<PreprocessSpec> device_spec(const AugmentSpec& spec, const PreprocessSpec& output);

// What an Augmenter drew for one picture, for a device to do: the picture's part is preprocessed by `spec`, which is
// device_spec()'s, then changed.
struct AugmentDraw {
  PreprocessSpec spec;
  Region region;  // of the stored picture
  FrameChange change;
};

// Not thread-safe; one for each worker.
class Augmenter {
 public:
  // `output`: size, interpolation, mean and std that the net trains with. InvalidArgument for values outside ranges.
  static Result<Augmenter> create(const AugmentSpec& spec, const PreprocessSpec& output, uint64_t seed);
  Augmenter(Augmenter&&) noexcept;
  Augmenter& operator=(Augmenter&&) noexcept;
  ~Augmenter();

  // How far the picture of that size may be reduced while it is decoded (1, 2, 4, 8), so that the crop that this epoch
  // and index draw stays at least twice the output's size (--fast-decode).
  int reduce_by(int width, int height, uint32_t epoch, uint32_t index) const;
  // [crop_height, crop_width, 3], bytes in R, G, B: everything but erasing and normalisation, for previews.
  Status to_pixels(const ImageView& image, uint32_t epoch, uint32_t index, std::span<uint8_t> pixels);
  // All of it, normalised.
  Status to_tensor(const ImageView& image, uint32_t epoch, uint32_t index, std::span<float> tensor,
                   TensorLayout layout = TensorLayout::Nhwc);

  // What to_tensor() would do to that picture, without doing it: a device that does it gives to_tensor()'s bits. The
  // numbers are drawn here, on the host, because a device's exp() and sqrt() may differ in their last bit. Incompatible
  // as device_spec(); InvalidArgument for an empty picture.
  Result<AugmentDraw> draw(const ImageView& image, uint32_t epoch, uint32_t index) const;

 private:
  struct State;
  explicit Augmenter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The order of an epoch: a permutation of [0, size), a pure function of (seed, epoch). `repeats` (Hoffer et al. 2020;
// Berman et al. 2019): each picture stands so often in a row, and the list is cut to `size` again.
std::vector<size_t> shuffled_order(size_t size, uint64_t seed, uint32_t epoch, unsigned repeats = 1);

// Draws `size` pictures with replacement, each class equally often in the mean.
std::vector<size_t> balanced_order(std::span<const size_t> class_ids, uint64_t seed, uint32_t epoch);

}  // namespace resnetft
