// SPDX-License-Identifier: MIT
#include "data/batch_loader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <set>
#include <thread>

#include "tests/support/dataset.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/wait_until.h"

namespace resnetft {
namespace {

LoaderSpec spec_of(DatasetPtr dataset, unsigned workers = 2) {
  LoaderSpec spec{.dataset = std::move(dataset), .output = {.resize = 20, .crop_width = 16, .crop_height = 12}};
  spec.augment = AugmentSpec{};
  spec.augment->random_erase = 0.5;
  spec.seed = 5;
  spec.batch_size = 6;
  spec.workers = workers;
  return spec;
}

std::unique_ptr<BatchLoader> loader_of(const LoaderSpec& spec) { return BatchLoader::create(spec).value(); }

// Every batch of an epoch.
std::vector<Batch> run(BatchLoader& loader, const std::vector<size_t>& order, uint32_t epoch, size_t first_batch = 0) {
  loader.start(order, epoch, first_batch);
  std::vector<Batch> batches;
  while (std::optional<Batch> batch = loader.next()) batches.push_back(std::move(*batch));
  return batches;
}

bool same(const Batch& a, const Batch& b) {
  return a.pictures == b.pictures && a.class_ids == b.class_ids && a.indexes == b.indexes;
}

bool same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  return std::ranges::equal(a, b, [](const Batch& x, const Batch& y) { return same(x, y); });
}

TEST(BatchLoader, AnyNumberOfWorkersGivesTheSameBits) {
  const DatasetPtr data = testing::noise_dataset(50, 3);
  const std::unique_ptr<BatchLoader> one = loader_of(spec_of(data, 1));
  for (const unsigned workers : {0u, 2u, 7u}) {
    const std::unique_ptr<BatchLoader> other = loader_of(spec_of(data, workers));
    for (const uint32_t epoch : {0u, 1u}) {
      const std::vector<size_t> order = shuffled_order(50, 5, epoch);
      const std::vector<Batch> expected = run(*one, order, epoch);
      ASSERT_EQ(expected.size(), 9u);
      EXPECT_TRUE(same(run(*other, order, epoch), expected)) << workers << " workers, epoch " << epoch;
    }
  }
}

TEST(BatchLoader, BatchesFollowTheOrderAndTheLastIsShort) {
  const DatasetPtr data = testing::noise_dataset(20, 3);
  const std::vector<size_t> order = shuffled_order(20, 1, 0);
  const std::vector<Batch> batches = run(*loader_of(spec_of(data)), order, 0);
  ASSERT_EQ(batches.size(), 4u);
  std::vector<size_t> seen;
  for (const Batch& batch : batches) {
    EXPECT_EQ(batch.pictures.size(), batch.indexes.size() * 16 * 12 * 3);
    for (size_t i = 0; i < batch.indexes.size(); ++i) {
      seen.push_back(batch.indexes[i]);
      EXPECT_EQ(batch.class_ids[i], static_cast<int64_t>(batch.indexes[i] % 3));
    }
  }
  EXPECT_EQ(seen, order);
  EXPECT_EQ(batches.back().indexes.size(), 2u);
}

TEST(BatchLoader, APictureIsWhatTheAugmenterMakesOfItByItself) {
  const LoaderSpec spec = spec_of(testing::noise_dataset(10, 2));
  const std::vector<Batch> batches = run(*loader_of(spec), {3, 8}, 4);
  Augmenter augmenter = Augmenter::create(*spec.augment, spec.output, spec.seed).value();
  std::vector<float> expected(16 * 12 * 3);
  ASSERT_TRUE(augmenter.to_tensor(spec.dataset->get(8)->view, 4, 8, expected).ok());
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), batches.at(0).pictures.begin() + 16 * 12 * 3));
}

TEST(BatchLoader, WithoutAugmentationAPictureIsAsInEvaluation) {
  LoaderSpec spec = spec_of(testing::noise_dataset(10, 2));
  spec.augment.reset();
  const std::vector<Batch> batches = run(*loader_of(spec), {3}, 0);
  std::vector<float> expected(16 * 12 * 3);
  Preprocessor preprocessor = Preprocessor::create(spec.output).value();
  ASSERT_TRUE(preprocessor.to_tensor(spec.dataset->get(3)->view, expected, TensorLayout::Nhwc).ok());
  EXPECT_EQ(batches.at(0).pictures, expected);
}

TEST(BatchLoader, ABatchInTheMiddleIsWhereAResumeBegins) {
  const std::unique_ptr<BatchLoader> loader = loader_of(spec_of(testing::noise_dataset(31, 3)));
  const std::vector<size_t> order = shuffled_order(31, 1, 2);
  std::vector<Batch> whole = run(*loader, order, 2);
  whole.erase(whole.begin(), whole.begin() + 4);
  ASSERT_EQ(whole.size(), 2u);
  EXPECT_TRUE(same(run(*loader, order, 2, 4), whole));
  EXPECT_TRUE(run(*loader, order, 2, 6).empty());
}

TEST(BatchLoader, ANewStartDropsWhatWasLeft) {
  const std::unique_ptr<BatchLoader> loader = loader_of(spec_of(testing::noise_dataset(60, 3), 3));
  const std::vector<size_t> order = shuffled_order(60, 1, 0);
  const std::vector<Batch> expected = run(*loader, order, 1);
  for (int i = 0; i < 20; ++i) {
    loader->start(order, 0, 0);
    loader->next();
    EXPECT_TRUE(same(run(*loader, order, 1), expected));
  }
}

TEST(BatchLoader, APictureThatComesTwiceInAnEpochIsAugmentedInTwoWays) {
  const std::unique_ptr<BatchLoader> loader = loader_of(spec_of(testing::noise_dataset(10, 2)));
  const std::vector<float> pictures = run(*loader, {4, 4}, 0).at(0).pictures;
  EXPECT_FALSE(std::equal(pictures.begin(), pictures.begin() + 16 * 12 * 3, pictures.begin() + 16 * 12 * 3));
}

// Pictures whose numbers are in `bad` cannot be decoded; counts how many are asked for.
class CountingDataset : public testing::ForwardingDataset {
 public:
  CountingDataset(DatasetPtr base, std::set<size_t> bad = {})
      : ForwardingDataset(std::move(base)), bad_(std::move(bad)) {}
  Result<DecodedImage> get(size_t index, const ReduceBy& reduce_by) const override {
    ++gets;
    if (bad_.contains(index)) return Error{ErrorCode::CorruptFile, "picture '" + name(index) + "' is bad", ""};
    return ForwardingDataset::get(index, reduce_by);
  }

  mutable std::atomic<int> gets = 0;

 private:
  std::set<size_t> bad_;
};

TEST(BatchLoader, ACorruptPictureIsNamedAndMissingAndTheOthersAreAsBefore) {
  const DatasetPtr good = testing::noise_dataset(12, 3);
  const DatasetPtr bad = std::make_shared<CountingDataset>(good, std::set<size_t>{0, 2, 11});
  const std::vector<size_t> order = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  const std::vector<Batch> expected = run(*loader_of(spec_of(good)), order, 0);
  const std::vector<Batch> batches = run(*loader_of(spec_of(bad, 4)), order, 0);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].indexes, (std::vector<size_t>{1, 3, 4, 5}));
  EXPECT_EQ(batches[0].class_ids, (std::vector<int64_t>{1, 0, 1, 2}));
  ASSERT_EQ(batches[0].corrupt.size(), 2u);
  EXPECT_EQ(batches[0].corrupt[1].first, 2u);
  EXPECT_EQ(batches[0].corrupt[1].second.message, "picture '2' is bad");
  ASSERT_EQ(batches[1].corrupt.size(), 1u);
  EXPECT_EQ(batches[1].corrupt[0].first, 11u);

  constexpr ptrdiff_t kValues = 16 * 12 * 3;
  const auto picture = [](const Batch& batch, ptrdiff_t place) { return batch.pictures.begin() + place * kValues; };
  ASSERT_EQ(batches[0].pictures.size(), static_cast<size_t>(4 * kValues));
  EXPECT_TRUE(std::equal(picture(batches[0], 0), picture(batches[0], 1), picture(expected[0], 1)));
  EXPECT_TRUE(std::equal(picture(batches[0], 1), picture(batches[0], 4), picture(expected[0], 3)));
}

TEST(BatchLoader, ABatchOfNothingButCorruptPicturesIsEmptyAndNotTheEnd) {
  const DatasetPtr bad =
      std::make_shared<CountingDataset>(testing::noise_dataset(12, 3), std::set<size_t>{0, 1, 2, 3, 4, 5});
  const std::vector<Batch> batches = run(*loader_of(spec_of(bad)), {0, 1, 2, 3, 4, 5, 6}, 0);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_TRUE(batches[0].indexes.empty());
  EXPECT_TRUE(batches[0].pictures.empty());
  EXPECT_EQ(batches[0].corrupt.size(), 6u);
  EXPECT_EQ(batches[1].indexes, std::vector<size_t>{6});
}

TEST(BatchLoader, NoMorePicturesAreDecodedAheadThanAFewBatches) {
  const auto data = std::make_shared<CountingDataset>(testing::noise_dataset(600, 3));
  const std::unique_ptr<BatchLoader> loader = loader_of(spec_of(data));
  loader->start(shuffled_order(600, 1, 0), 0);
  loader->next();
  testing::wait_until([&] { return data->gets >= 18; });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_EQ(data->gets, 18);  // one batch of 6 is out, two wait
}

TEST(BatchLoader, TheCacheDecodesEachPictureOnceAndChangesNothing) {
  const auto data = std::make_shared<CountingDataset>(testing::noise_dataset(24, 3));
  LoaderSpec spec = spec_of(data);
  const std::vector<size_t> order = shuffled_order(24, 1, 0);
  const std::vector<Batch> expected = run(*loader_of(spec), order, 1);
  data->gets = 0;
  spec.cache = PixelCache::Uint8;
  const std::unique_ptr<BatchLoader> loader = loader_of(spec);
  run(*loader, order, 0);
  EXPECT_TRUE(same(run(*loader, order, 1), expected));
  EXPECT_EQ(data->gets, 24);
}

TEST(BatchLoader, TheCacheKeepsNoMoreThanItsBytes) {
  const auto data = std::make_shared<CountingDataset>(
      dataset_of_pictures(std::vector<LabelledPicture>(10, {testing::noise_image(1, 20, 20), 0, "x"}), {"x"}));
  LoaderSpec spec = spec_of(data);
  spec.cache = PixelCache::Uint8;
  spec.cache_bytes = 4 * 20 * 20 * 3 + 100;
  const std::unique_ptr<BatchLoader> loader = loader_of(spec);
  const std::vector<size_t> order = shuffled_order(10, 1, 0);
  run(*loader, order, 0);
  run(*loader, order, 1);
  EXPECT_EQ(data->gets, 10 + 6);
}

// Smooth JPEGs of 160x120, cropped to 16x12.
class FastDecode : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_.file("d/a"));
    for (int number = 0; number < 12; ++number) {
      std::vector<uint8_t> rgb;
      for (int y = 0; y < 120; ++y)
        for (int x = 0; x < 160 * 3; ++x)
          rgb.push_back(static_cast<uint8_t>(128 + 50 * std::sin(x / 70.0 + number) + 50 * std::cos(y / 20.0)));
      testing::write_text(folder_.file("d/a/" + std::to_string(number) + ".jpg"),
                          encode_jpeg(rgb, 160, 120, 95).value());
    }
    spec_ = spec_of(open_image_folder(folder_.file("d")).value());
    spec_.augment->random_erase = 0;
    spec_.fast_decode = true;
    order_ = shuffled_order(12, 1, 0);
  }

  testing::TemporaryFolder folder_;
  LoaderSpec spec_;
  std::vector<size_t> order_;
};

TEST_F(FastDecode, GivesAboutTheSameCropsFromReducedPictures) {
  const std::vector<Batch> fast = run(*loader_of(spec_), order_, 0);
  spec_.fast_decode = false;
  const std::vector<Batch> whole = run(*loader_of(spec_), order_, 0);
  ASSERT_EQ(fast.size(), 2u);
  EXPECT_FALSE(same(fast, whole));
  double worst = 0;
  for (size_t i = 0; i < 2; ++i)
    for (size_t j = 0; j < fast[i].pictures.size(); ++j)
      worst = std::max(worst, std::abs(static_cast<double>(fast[i].pictures[j]) - whole[i].pictures[j]));
  EXPECT_LT(worst, 0.25);  // 14 of 255 by the standard deviations; another crop would be off by 1 and more
}

TEST_F(FastDecode, IsTheSameForAnyNumberOfWorkersAndWithACache) {
  const std::vector<Batch> expected = run(*loader_of(spec_), order_, 1);
  spec_.workers = 7;
  EXPECT_TRUE(same(run(*loader_of(spec_), order_, 1), expected));
  spec_.cache = PixelCache::Uint8;
  const std::unique_ptr<BatchLoader> cached = loader_of(spec_);
  run(*cached, order_, 0);
  EXPECT_TRUE(same(run(*cached, order_, 1), expected));
}

TEST(BatchLoader, BadSpecsAreRefused) {
  const DatasetPtr data = testing::noise_dataset(4, 2);
  EXPECT_EQ(BatchLoader::create({}).error().code, ErrorCode::InvalidArgument);
  LoaderSpec spec = spec_of(data);
  spec.batch_size = 0;
  EXPECT_EQ(BatchLoader::create(spec).error().code, ErrorCode::InvalidArgument);
  spec = spec_of(data);
  spec.augment->flip = 2;
  EXPECT_EQ(BatchLoader::create(spec).error().code, ErrorCode::InvalidArgument);
  spec = spec_of(data);
  spec.output.crop_width = 0;
  EXPECT_EQ(BatchLoader::create(spec).error().code, ErrorCode::InvalidArgument);
}

}  // namespace
}  // namespace resnetft
