// SPDX-License-Identifier: MIT
#include "mistakes.h"

#include <algorithm>
#include <functional>

#include "data/image_file.h"
#include "resnetft/preprocess.h"

namespace resnetft::tool {
namespace {

constexpr size_t kMaxMistakes = 24;
constexpr int kThumbnailSide = 128, kThumbnailQuality = 85;

}  // namespace

void keep_worst(std::vector<Mistake>& mistakes, Mistake mistake) {
  const auto place = std::ranges::upper_bound(mistakes, mistake.confidence, std::greater(), &Mistake::confidence);
  mistakes.insert(place, std::move(mistake));
  if (mistakes.size() > kMaxMistakes) mistakes.pop_back();
}

std::string thumbnail(const ImageView& image) {
  const PreprocessSpec spec{.mode = ResizeMode::Letterbox,
                            .crop_width = kThumbnailSide,
                            .crop_height = kThumbnailSide,
                            .mean = {1, 1, 1},
                            .std = {1, 1, 1}};
  Result<Preprocessor> preprocessor = Preprocessor::create(spec);
  if (!preprocessor) return "";
  std::vector<uint8_t> pixels(size_t{kThumbnailSide} * kThumbnailSide * 3);
  if (!preprocessor->to_pixels(image, pixels)) return "";
  const Result<std::string> jpeg = encode_jpeg(pixels, kThumbnailSide, kThumbnailSide, kThumbnailQuality);
  return jpeg ? *jpeg : "";
}

}  // namespace resnetft::tool
