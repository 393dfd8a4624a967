// SPDX-License-Identifier: MIT
// How much the preprocessor allocates, and when. A program of its own, because it replaces operator new.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

#include "resnetft/preprocess.h"
#include "tests/support/picture.h"

namespace {

std::atomic<size_t> allocations{0}, live_bytes{0}, peak_bytes{0};

// The size is kept in front of the memory, as far in front as its alignment.
constexpr size_t kHeader = 64;

void* allocate(size_t size) {
  void* memory = std::aligned_alloc(kHeader, (size + kHeader + kHeader - 1) / kHeader * kHeader);
  if (!memory) throw std::bad_alloc();
  *static_cast<size_t*>(memory) = size;
  ++allocations;
  live_bytes += size;
  peak_bytes = std::max(peak_bytes.load(), live_bytes.load());
  return static_cast<char*>(memory) + kHeader;
}

void release(void* memory) noexcept {
  if (!memory) return;
  void* begin = static_cast<char*>(memory) - kHeader;
  live_bytes -= *static_cast<size_t*>(begin);
  std::free(begin);
}

}  // namespace

void* operator new(size_t size) { return allocate(size); }
void* operator new(size_t size, std::align_val_t) { return allocate(size); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { release(memory); }

namespace resnetft {
namespace {

using testing::Picture;

// What one call allocates at its worst, beyond what was there before.
size_t peak_of(Preprocessor& preprocessor, const ImageView& view, std::span<uint8_t> pixels) {
  const size_t before = live_bytes;
  peak_bytes = before;
  EXPECT_TRUE(preprocessor.to_pixels(view, pixels).ok());
  return peak_bytes - before;
}

TEST(PreprocessMemory, ASecondFrameOfTheSameSizeAllocatesNothing) {
  for (const PixelFormat format :
       {PixelFormat::Rgba, PixelFormat::Rgb, PixelFormat::Nv12, PixelFormat::I420, PixelFormat::Yuy2})
    for (const Orientation orientation :
         {Orientation::Normal, Orientation::Rotate180, Orientation::Rotate90Clockwise}) {
      Picture picture = testing::make_picture(format, 321, 241);
      picture.view.orientation = orientation;
      Result<Preprocessor> preprocessor = Preprocessor::create({});
      std::vector<float> tensor(224 * 224 * 3);
      ASSERT_TRUE(preprocessor->to_tensor(picture.view, tensor).ok());
      const size_t before = allocations;
      EXPECT_TRUE(preprocessor->to_tensor(picture.view, tensor, TensorLayout::Nhwc).ok());
      EXPECT_EQ(allocations, before) << "format " << static_cast<int>(format);
    }
}

// Crop mode would make these 256x2560000 pixels large; only what the crop keeps may cost memory.
TEST(PreprocessMemory, AVeryLongPictureNeedsNoMoreThanItselfAndItsResult) {
  for (const auto& [width, height] : {std::pair{1, 10000}, {10000, 1}, {1, 32768}, {32768, 1}})
    for (const ResizeMode mode : {ResizeMode::Crop, ResizeMode::Stretch, ResizeMode::Letterbox})
      for (const Interpolation interpolation : {Interpolation::Bilinear, Interpolation::Bicubic})
        for (const Orientation orientation : {Orientation::Normal, Orientation::Transpose}) {
          Picture picture = testing::make_picture(PixelFormat::Rgb, width, height);
          picture.view.orientation = orientation;
          Result<Preprocessor> preprocessor = Preprocessor::create({.mode = mode, .interpolation = interpolation});
          std::vector<uint8_t> pixels(224 * 224 * 3);
          // 3 MiB, where the whole resized picture would take 2 GB: a few bytes for each of the 65536 or 131072 taps
          // of a filter that covers every source pixel two or four times, a turned block, and the ring.
          EXPECT_LE(peak_of(*preprocessor, picture.view, pixels), size_t{3} << 20)
              << width << "x" << height << " mode " << static_cast<int>(mode);
        }
}

// One pixel wide to 8192 wide and 8192 high to one high: in one piece, the rows between the passes would be 268 MB.
TEST(PreprocessMemory, RowsBetweenThePassesStayFewWhereTheFilterDownIsHigh) {
  const Picture picture = testing::make_picture(PixelFormat::Gray8, 1, 8192);
  Result<Preprocessor> preprocessor =
      Preprocessor::create({.mode = ResizeMode::Stretch, .crop_width = 8192, .crop_height = 1});
  std::vector<uint8_t> pixels(8192 * 3);
  EXPECT_LE(peak_of(*preprocessor, picture.view, pixels), size_t{4} << 20);
}

}  // namespace
}  // namespace resnetft
