// SPDX-License-Identifier: MIT
// What a loader leaves to a device, done by the kernel's text on the host: the loader's own bits.
#include "data/drawn_picture.h"

#include <gtest/gtest.h>

#include "data/batch_loader.h"
#include "tests/support/dataset.h"
#include "tests/support/host_frame_kernel.h"
#include "tests/support/preprocess_case.h"

namespace resnetft {
namespace {

using testing::Random;

// Every format, orientation and stride, also rows that are stored bottom up.
DatasetPtr random_dataset(size_t count, unsigned seed) {
  Random random(seed);
  std::vector<LabelledPicture> pictures;
  for (size_t i = 0; i < count; ++i) {
    const auto picture = std::make_shared<testing::Picture>(testing::random_case(random).picture);
    pictures.push_back({{picture->view, picture}, 0, std::to_string(i)});
  }
  return dataset_of_pictures(std::move(pictures), {"a"});
}

std::vector<float> made_by_kernel(const DrawnPicture& drawn, const PreprocessSpec& how) {
  if (!drawn.finished.empty()) return drawn.finished;
  return testing::host_kernel_output<float>(how, NumberType::Float32, drawn.image.view, drawn.change);
}

TEST(DrawnPicture, IsWhatTheLoaderWouldHaveMadeOfIt) {
  const DatasetPtr data = random_dataset(300, 31);
  for (const CropKind crop : {CropKind::RandomResizedCrop, CropKind::PadAndCrop, CropKind::None})
    for (const bool augmented : {true, false}) {
      LoaderSpec spec{
          .dataset = data, .output = {.resize = 30, .crop_width = 26, .crop_height = 20}, .batch_size = 300};
      if (augmented) spec.augment = AugmentSpec{.crop = crop, .random_erase = 0.5};
      const PreprocessSpec how = augmented ? *device_spec(*spec.augment, spec.output) : spec.output;
      std::vector<size_t> order(data->size());
      for (size_t i = 0; i < order.size(); ++i) order[i] = i;
      const auto plain = BatchLoader::create(spec).value();
      plain->start(order, 1);
      const Batch expected = plain->next().value();
      spec.draw_only = true;
      const auto drawing = BatchLoader::create(spec).value();
      drawing->start(order, 1);
      const Batch drawn = drawing->next().value();
      ASSERT_EQ(drawn.indexes, expected.indexes);
      EXPECT_EQ(drawn.class_ids, expected.class_ids);
      ASSERT_EQ(drawn.drawn.size(), order.size());
      EXPECT_TRUE(drawn.pictures.empty());
      for (size_t i = 0; i < order.size(); ++i) {
        const auto begin = expected.pictures.begin() + static_cast<ptrdiff_t>(i * 26 * 20 * 3);
        ASSERT_EQ(made_by_kernel(drawn.drawn[i], how), std::vector<float>(begin, begin + 26 * 20 * 3)) << i;
      }
    }
}

TEST(DrawnPicture, PicturesThatCannotBeReadAreTheLoaders) {
  std::vector<LabelledPicture> pictures = {{testing::noise_image(1, 20, 20), 0, "good"},
                                           {testing::noise_image(2, 20, 20), 0, "empty"},
                                           {testing::noise_image(3, 20, 20), 0, "good, too"}};
  pictures[1].image.view.width = 0;
  LoaderSpec spec{.dataset = dataset_of_pictures(std::move(pictures), {"a"}), .augment = AugmentSpec{}};
  spec.output.crop_width = spec.output.crop_height = 16;
  for (const bool draw_only : {false, true}) {
    spec.draw_only = draw_only;
    const auto loader = BatchLoader::create(spec).value();
    loader->start({0, 1, 2}, 0);
    const Batch batch = loader->next().value();
    EXPECT_EQ(batch.indexes, (std::vector<size_t>{0, 2}));
    ASSERT_EQ(batch.corrupt.size(), 1u);
    EXPECT_EQ(batch.corrupt[0].first, 1u);
    EXPECT_EQ(batch.corrupt[0].second.code, ErrorCode::InvalidArgument);
    EXPECT_EQ(batch.drawn.size(), draw_only ? 2u : 0u);
  }
}

TEST(DrawnPicture, HoldsTheRegionAloneAndSharesWhatLiesSoAlready) {
  DecodedImage image = testing::noise_image(4, 10, 8);
  EXPECT_EQ(cut_out(image).view.planes[0], image.view.planes[0]);
  image.view.region = {0, 2, 10, 3};
  image.view.orientation = Orientation::Rotate90Clockwise;
  DecodedImage part = cut_out(image);
  EXPECT_NE(part.pixels, image.pixels);
  EXPECT_EQ(packed_bytes(part.view), 90u);
  EXPECT_EQ(part.view.orientation, Orientation::Rotate90Clockwise);
  image.view.region = {7, 5, 3, 2};
  part = cut_out(image);
  EXPECT_EQ(part.view.width, 3);
  EXPECT_EQ(part.view.height, 2);
  EXPECT_EQ(part.view.strides[0], 9);
  EXPECT_EQ(part.view.region.width, 0);
  const uint8_t* first = image.view.planes[0] + (5 * 10 + 7) * 3;
  EXPECT_TRUE(std::equal(first, first + 9, part.view.planes[0]));
  EXPECT_TRUE(std::equal(first + 30, first + 39, part.view.planes[0] + 9));
}

// Only what is wanted of a picture counts.
TEST(DrawnPicture, LargePartsAndPlanesAreTheCpus) {
  DecodedImage image = testing::noise_image(5, 1200, 1200);
  EXPECT_FALSE(suits_device(image.view));
  image.view.region = {100, 100, 1100, 1100};
  EXPECT_TRUE(suits_device(image.view));
  image.view.format = PixelFormat::Nv12;
  EXPECT_FALSE(suits_device(image.view));
}

TEST(DrawnPicture, ALoaderThatIsToDrawColoursIsRefused) {
  LoaderSpec spec{.dataset = testing::noise_dataset(4, 1), .augment = AugmentSpec{.color_jitter = 0.2}};
  spec.draw_only = true;
  const auto loader = BatchLoader::create(spec);
  ASSERT_FALSE(loader.ok());
  EXPECT_EQ(loader.error().code, ErrorCode::Incompatible);
}

}  // namespace
}  // namespace resnetft
