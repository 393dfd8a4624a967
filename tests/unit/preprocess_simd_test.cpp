// SPDX-License-Identifier: MIT
// The plain kernels define the bits; every other variant that this processor runs must give the same.
#include <gtest/gtest.h>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "image/resampler.h"
#include "tests/support/preprocess_case.h"

namespace resnetft {
namespace {

using testing::Random;
using testing::random_case;
using Case = testing::PreprocessCase;

std::vector<uint8_t> pixels_at(SimdLevel level, const Case& test_case, double reducing_gap = 0) {
  const PreprocessSpec& spec = test_case.spec;
  std::vector<uint8_t> pixels(static_cast<size_t>(spec.crop_width * spec.crop_height * 3));
  Destination destination;
  destination.pixels = pixels.data();
  destination.width = spec.crop_width;
  destination.height = spec.crop_height;
  Resampler(spec, row_kernels(level), reducing_gap).run(test_case.picture.view, destination);
  return pixels;
}

// Skips loudly where the processor cannot run the variant.
class EveryVariant : public ::testing::TestWithParam<SimdLevel> {
 protected:
  void SetUp() override {
    const std::span<const SimdLevel> available = available_simd_levels();
    if (std::find(available.begin(), available.end(), GetParam()) == available.end())
      GTEST_SKIP() << "this processor lacks its instructions: the variant was NOT TESTED";
    ASSERT_EQ(row_kernels(GetParam()).level, GetParam());
  }
};

class FastVariant : public EveryVariant {};

TEST_P(FastVariant, GivesTheBitsOfThePlainOneInTenThousandRandomCases) {
  Random random(5);
  for (int i = 0; i < 10000; ++i) {
    const Case test_case = random_case(random);
    const double gap = i % 2 == 0 ? 0 : 1 + testing::draw(random, 0, 4) * 0.5;
    ASSERT_EQ(pixels_at(GetParam(), test_case, gap), pixels_at(SimdLevel::Plain, test_case, gap))
        << i << ": " << test_case.text() << " gap " << gap;
  }
}

TEST_P(FastVariant, GivesTheBitsOfThePlainOneOnAFullFrameOfEachFormat) {
  Random random(6);
  for (int format = 0; format <= static_cast<int>(PixelFormat::Uyvy); ++format) {
    Case test_case;
    test_case.picture = testing::random_picture(random, static_cast<PixelFormat>(format), 641, 363);
    EXPECT_EQ(pixels_at(GetParam(), test_case), pixels_at(SimdLevel::Plain, test_case)) << test_case.text();
    test_case.picture = testing::random_picture(random, static_cast<PixelFormat>(format), 1280, 720);
    test_case.spec = {.resize = 90, .crop_width = 80, .crop_height = 80};
    EXPECT_EQ(pixels_at(GetParam(), test_case, 2), pixels_at(SimdLevel::Plain, test_case, 2)) << test_case.text();
  }
}

// Black and white columns drive a cubic's negative lobes and the sums' upper end to their limits.
TEST_P(FastVariant, SaturatesAsThePlainOneDoes) {
  for (const int period : {1, 2, 3, 5, 8}) {
    Case test_case;
    test_case.spec = {
        .mode = ResizeMode::Stretch, .interpolation = Interpolation::Bicubic, .crop_width = 61, .crop_height = 37};
    test_case.picture = testing::make_picture(PixelFormat::Gray8, 40, 40);
    for (int y = 0; y < 40; ++y)
      for (int x = 0; x < 40; ++x)
        *testing::byte_at(test_case.picture, 0, y, x) = (x / period + y / period) % 2 ? 255 : 0;
    EXPECT_EQ(pixels_at(GetParam(), test_case), pixels_at(SimdLevel::Plain, test_case)) << "period " << period;
  }
}

// Pages between two that may not be touched.
class GuardedPages {
 public:
  explicit GuardedPages(size_t pages) : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))), size_((pages + 2) * page_) {
    void* memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    begin_ = static_cast<uint8_t*>(memory);
    forbid(-1);
    forbid(static_cast<int>(pages));
  }
  ~GuardedPages() { munmap(begin_, size_); }
  GuardedPages(const GuardedPages&) = delete;
  GuardedPages& operator=(const GuardedPages&) = delete;

  void forbid(int page) {
    if (mprotect(begin_ + static_cast<size_t>(page + 1) * page_, page_, PROT_NONE) != 0) throw std::bad_alloc();
  }
  size_t page_size() const { return page_; }
  uint8_t* first() { return begin_ + page_; }
  uint8_t* end() { return begin_ + size_ - page_; }

 private:
  size_t page_, size_;
  uint8_t* begin_;
};

// A read beyond would end the whole program: each plane ends, or begins, where a forbidden page does.
TEST_P(EveryVariant, ReadsNoByteInFrontOfOrBehindThePicture) {
  std::array<GuardedPages, 3> pages = {GuardedPages(2), GuardedPages(2), GuardedPages(2)};
  for (int format = 0; format <= static_cast<int>(PixelFormat::Uyvy); ++format)
    for (int width = 1; width <= 70; ++width)
      for (const bool at_end : {true, false}) {
        Case test_case;
        test_case.spec = {.mode = ResizeMode::Stretch, .crop_width = 9, .crop_height = 2};
        test_case.picture = testing::make_picture(static_cast<PixelFormat>(format), width, 4);
        for (size_t i = 0; i < pages.size(); ++i)
          test_case.picture.view.planes[i] =
              at_end ? pages[i].end() - test_case.picture.planes[i].size() : pages[i].first();
        for (const Orientation orientation : {Orientation::Normal, Orientation::Rotate90Clockwise}) {
          test_case.picture.view.orientation = orientation;
          for (const int gap : {0, 1}) EXPECT_EQ(pixels_at(GetParam(), test_case, gap).size(), size_t{9 * 2 * 3});
        }
      }
}

TEST_P(EveryVariant, NeverReadsRowsOrColumnsThatTheCropDrops) {
  GuardedPages pages(5);
  const int page_pixels = static_cast<int>(pages.page_size() / 4);
  for (const int page : {0, 1, 3, 4}) pages.forbid(page);
  std::fill_n(pages.first() + 2 * pages.page_size(), pages.page_size(), uint8_t{77});
  Case test_case;
  test_case.spec = {.resize = 0, .crop_width = 8, .crop_height = 1};
  ImageView& view = test_case.picture.view;
  view = {.format = PixelFormat::Rgba, .planes = {pages.first()}};
  for (const auto& [width, height] : {std::pair{page_pixels, 5}, {page_pixels * 5, 1}}) {
    view.width = width;
    view.height = height;
    view.strides[0] = width * 4;
    EXPECT_EQ(pixels_at(GetParam(), test_case), std::vector<uint8_t>(24, 77)) << test_case.text();
  }
}

std::string level_name(const ::testing::TestParamInfo<SimdLevel>& info) {
  return info.param == SimdLevel::Plain ? "Plain" : info.param == SimdLevel::Avx2 ? "Avx2" : "Avx512";
}
INSTANTIATE_TEST_SUITE_P(Preprocess, FastVariant, ::testing::Values(SimdLevel::Avx2, SimdLevel::Avx512), level_name);
INSTANTIATE_TEST_SUITE_P(Preprocess, EveryVariant,
                         ::testing::Values(SimdLevel::Plain, SimdLevel::Avx2, SimdLevel::Avx512), level_name);

TEST(PreprocessSimd, TheBestLevelIsTheLastOfTheAvailableOnes) {
  EXPECT_EQ(available_simd_levels().front(), SimdLevel::Plain);
  EXPECT_EQ(available_simd_levels().back(), best_simd_level());
}

}  // namespace
}  // namespace resnetft
