// SPDX-License-Identifier: MIT
// Training that augments on its device, with a stand-in for the device and the kernels' text run on the host: the
// weights are those of a run that augments on the CPU, to the bit.
#include <gtest/gtest.h>

#include <set>

#include "tests/support/dataset.h"
#include "tests/support/host_preprocessor.h"
#include "tests/support/stand_in_device.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/training.h"
#include "train/torch/run.h"

namespace resnetft {
namespace {

using testing::Settings;
using testing::texture_training;

constexpr size_t kPictures = 44;  // batches of 8, the last one short

// Pictures that are larger than what the net sees.
TrainSpec training(const Settings& settings) {
  Settings all = {{"batch-size", "8"}, {"lr", "0.01"}};
  all.insert(all.end(), settings.begin(), settings.end());
  TrainSpec spec = texture_training(all, kPictures);
  spec.train = testing::texture_dataset(kPictures, 1, 45);
  spec.validation = testing::texture_dataset(12, 2, 50);
  return spec;
}

// A run, and what it told.
struct Told {
  TrainOutcome outcome;
  std::vector<std::string> notes;
  testing::HostPreprocessing done;

  ptrdiff_t count(const std::string& part) const {
    return std::ranges::count_if(notes, [&](const std::string& note) { return note.find(part) != std::string::npos; });
  }
};

enum class Where { Cpu, StandIn };

Told trained(const TrainSpec& spec, Where where, int frames_with_memory = -1) {
  Told told;
  told.done.frames_with_memory = frames_with_memory;
  TrainObserver observer;
  observer.note = [&](const std::string& sentence) { told.notes.push_back(sentence); };
  const auto host = [&](const CudaPreprocessorOptions& options) -> Result<std::unique_ptr<CudaPreprocessor>> {
    return std::unique_ptr<CudaPreprocessor>(std::make_unique<testing::HostPreprocessor>(options, told.done));
  };
  Result<TrainOutcome> outcome = where == Where::Cpu
                                     ? run_training(spec, observer, {})
                                     : run_training_on(testing::stand_in_device(), spec, observer, {}, host);
  if (!outcome) ADD_FAILURE() << to_string(outcome.error());
  if (outcome) told.outcome = std::move(*outcome);
  return told;
}

void expect_same_weights(const Told& a, const Told& b, const std::string& what) {
  ASSERT_TRUE(a.outcome.model && b.outcome.model) << what;
  EXPECT_EQ(testing::different_tensors(*a.outcome.model, *b.outcome.model), std::vector<std::string>()) << what;
  ASSERT_EQ(a.outcome.history.size(), b.outcome.history.size()) << what;
  for (size_t i = 0; i < a.outcome.history.size(); ++i) {
    EXPECT_EQ(a.outcome.history[i].train_loss, b.outcome.history[i].train_loss) << what << ", epoch " << i;
    EXPECT_EQ(a.outcome.history[i].validation->loss, b.outcome.history[i].validation->loss) << what << ", epoch " << i;
  }
}

const Settings kPadAndCrop = {{"crop", "pad"}, {"random-erase", "0.5"}, {"mixup-alpha", "0.4"}};
const Settings kResizedCrop = {{"crop", "random-resized"}, {"random-erase", "0.3"}, {"cutmix-alpha", "1"}};

struct Case {
  const char* name;
  Settings settings;
};

TEST(DeviceAugmentation, TheWeightsAreThoseOfTheCpu) {
  const Case cases[] = {
      {"pad and crop, erase, mixup", kPadAndCrop},
      {"resized crop, erase, cutmix", kResizedCrop},
      {"no crop", {{"crop", "none"}, {"hflip", "0"}}},
      {"another size", {{"crop", "random-resized"}, {"train-crop-size", "24x40"}}},
      {"decoded bytes kept", {{"crop", "random-resized"}, {"cache", "uint8"}}},
      {"mixup and cutmix, two batches a step",
       {{"crop", "pad"}, {"mixup-alpha", "0.2"}, {"cutmix-alpha", "1"}, {"grad-accum-steps", "2"}}},
      {"adapted statistics, the head first", {{"adapt-norm", "20"}, {"head-epochs", "1"}}},
  };
  for (const Case& c : cases) {
    const TrainSpec spec = training(c.settings);
    const Told here = trained(spec, Where::Cpu), there = trained(spec, Where::StandIn);
    expect_same_weights(here, there, c.name);
    EXPECT_GE(there.done.frames, 2 * static_cast<int>(kPictures + 12)) << c.name;
    EXPECT_EQ(there.done.mixups > 0, spec.recipe.mixup_alpha > 0) << c.name;
    EXPECT_EQ(there.count("augmented on the GPU"), 1) << c.name;
    EXPECT_EQ(there.count("augmented on the CPU"), 0) << c.name;
    EXPECT_EQ(here.count("augmented on"), 0) << c.name;
  }
}

TEST(DeviceAugmentation, FeaturesAreComputedOfPicturesThatWerePreprocessedThere) {
  for (const char* trainable : {"head", "layer4"}) {
    const TrainSpec spec = training({{"trainable", trainable}, {"cache", "features"}});
    const Told here = trained(spec, Where::Cpu), there = trained(spec, Where::StandIn);
    expect_same_weights(here, there, trainable);
    EXPECT_EQ(there.done.frames, static_cast<int>(kPictures + 12)) << trainable;
  }
}

TEST(DeviceAugmentation, AnyNumberOfWorkersGivesTheSameWeights) {
  for (const Settings& settings : {kPadAndCrop, kResizedCrop}) {
    TrainSpec spec = training(settings);
    const Told here = trained(spec, Where::Cpu);
    for (const unsigned workers : {0u, 1u, 2u, 7u}) {
      spec.recipe.workers = workers;
      expect_same_weights(here, trained(spec, Where::StandIn), std::to_string(workers) + " workers");
    }
  }
}

TEST(DeviceAugmentation, AResumeInMidEpochGoesOnAsTheCpu) {
  const testing::TemporaryFolder folder;
  Settings settings = kPadAndCrop;
  settings.push_back({"checkpoint-interval", "1"});
  settings.push_back({"checkpoint-hist", "100"});
  TrainSpec spec = training(settings);
  spec.checkpoint_folder = folder.file("checkpoints");
  const Told whole = trained(spec, Where::StandIn);
  for (const char* step : {"2", "7"})
    for (const Where where : {Where::Cpu, Where::StandIn}) {
      TrainSpec rest = spec;
      rest.checkpoint_folder.clear();
      rest.resume_file = spec.checkpoint_folder + "/checkpoint-000000000" + step + ".safetensors";
      expect_same_weights(whole, trained(rest, where), step);
    }
}

// Some cannot be decoded.
class DamagedDataset : public testing::ForwardingDataset {
 public:
  DamagedDataset(DatasetPtr source, std::set<size_t> damaged)
      : ForwardingDataset(std::move(source)), damaged_(std::move(damaged)) {}
  Result<DecodedImage> get(size_t index, const ReduceBy& reduce_by) const override {
    if (damaged_.contains(index)) return Error{ErrorCode::CorruptFile, "picture '" + name(index) + "' is damaged", ""};
    return ForwardingDataset::get(index, reduce_by);
  }

 private:
  std::set<size_t> damaged_;
};

TEST(DeviceAugmentation, CorruptPicturesAreSkippedAndCountedAsOnTheCpu) {
  Settings settings = kPadAndCrop;
  settings.push_back({"corrupt-budget", "0.5"});
  TrainSpec spec = training(settings);
  std::set<size_t> damaged = {3, 40};
  const std::vector<size_t> order = shuffled_order(kPictures, spec.recipe.seed, 0);
  damaged.insert(order.begin() + 8, order.begin() + 16);  // a whole batch
  spec.train = std::make_shared<DamagedDataset>(spec.train, damaged);
  spec.validation = std::make_shared<DamagedDataset>(spec.validation, std::set<size_t>{5});
  const Told here = trained(spec, Where::Cpu), there = trained(spec, Where::StandIn);
  expect_same_weights(here, there, "corrupt");
  EXPECT_EQ(there.outcome.skipped_images, here.outcome.skipped_images);
  EXPECT_EQ(there.outcome.skipped_images, damaged.size() + 1);
  EXPECT_EQ(there.count("skipped: "), here.count("skipped: "));
}

TEST(DeviceAugmentation, TooManyCorruptPicturesEndTheRun) {
  TrainSpec spec = training(kPadAndCrop);
  spec.train = std::make_shared<DamagedDataset>(spec.train, std::set<size_t>{1, 2, 3, 4});
  testing::HostPreprocessing done;
  const auto host = [&](const CudaPreprocessorOptions& options) -> Result<std::unique_ptr<CudaPreprocessor>> {
    return std::unique_ptr<CudaPreprocessor>(std::make_unique<testing::HostPreprocessor>(options, done));
  };
  const Result<TrainOutcome> outcome = run_training_on(testing::stand_in_device(), spec, {}, {}, host);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, ErrorCode::CorruptFile);
}

// Within the first batch, in a later one, while it is judged.
TEST(DeviceAugmentation, WhereMemoryRunsOutTheCpuGoesOnWithTheSameBits) {
  const TrainSpec spec = training(kResizedCrop);
  const Told here = trained(spec, Where::Cpu);
  for (const int frames : {0, 5, 37, 60, 100}) {
    const Told there = trained(spec, Where::StandIn, frames);
    expect_same_weights(here, there, std::to_string(frames));
    EXPECT_EQ(there.done.frames, frames);
    EXPECT_EQ(there.count("augmented on the CPU from here on: the stand-in's memory ran out"), 1) << frames;
  }
}

TEST(DeviceAugmentation, WithoutTheModuleTheCpuAugmentsAndItIsSaidOnce) {
  const TrainSpec spec = training({{"head-epochs", "1"}});
  const Told here = trained(spec, Where::Cpu);
  Told there;
  TrainObserver observer;
  observer.note = [&](const std::string& sentence) { there.notes.push_back(sentence); };
  const auto missing = [](const CudaPreprocessorOptions&) -> Result<std::unique_ptr<CudaPreprocessor>> {
    return Error{ErrorCode::DeviceUnavailable, "the module does not open", ""};
  };
  Result<TrainOutcome> outcome = run_training_on(testing::stand_in_device(), spec, observer, {}, missing);
  ASSERT_TRUE(outcome.ok()) << to_string(outcome.error());
  there.outcome = std::move(*outcome);
  expect_same_weights(here, there, "no module");
  EXPECT_EQ(there.count("pictures are augmented on the CPU: the module does not open"), 1);
}

TEST(DeviceAugmentation, ColoursChangeOnTheCpu) {
  for (const Settings& settings : {Settings{{"color-jitter", "0.3"}}, Settings{{"auto-augment", "ta-wide"}}}) {
    const TrainSpec spec = training(settings);
    const Told here = trained(spec, Where::Cpu), there = trained(spec, Where::StandIn);
    expect_same_weights(here, there, settings.front().first);
    EXPECT_EQ(there.count("pictures are augmented on the CPU: augmentation that changes colours"), 1);
    EXPECT_EQ(there.count("augmented on the GPU"), 0);
    EXPECT_GT(there.done.frames, 0);  // those that judge
  }
}

TEST(DeviceAugmentation, PicturesThatAreTooLargeAreAugmentedOnTheCpu) {
  TrainSpec spec = training(kPadAndCrop);
  std::vector<LabelledPicture> pictures;
  for (size_t i = 0; i < 12; ++i) {
    const int side = i == 4 || i == 9 ? 1200 : 60;
    pictures.push_back({testing::noise_image(static_cast<uint32_t>(i), side, side), i % 3, std::to_string(i)});
  }
  spec.train = dataset_of_pictures(std::move(pictures), {"a", "b", "c"});
  const Told here = trained(spec, Where::Cpu), there = trained(spec, Where::StandIn);
  expect_same_weights(here, there, "large");
  EXPECT_EQ(there.count("pictures of more than 4 MiB"), 1);
  EXPECT_EQ(there.done.frames, 2 * 10 + 3 * 12);  // and the base is judged, too
}

}  // namespace
}  // namespace resnetft
