// SPDX-License-Identifier: MIT
// A camera's pictures: gestures.tar.gz as a labelled stream, 30 frames a second, classes taking turns in blocks of 2 s,
// taught to the CIFAR ResNet-20. Accuracy on all of test/ as the stream goes on.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>

#include "tests/support/learner.h"
#include "tests/support/test_data.h"

namespace resnetft {
namespace {

using testing::Events;
using testing::shown;
using testing::started;
using testing::TemporaryFolder;

constexpr uint64_t kFrame_ns = testing::kSecond_ns / 30, kBlock_ns = 2 * testing::kSecond_ns;

// The base with the input that gestures want: 300x200 stretched to 48x32.
std::string base_with_wide_input(const std::string& weights, const TemporaryFolder& folder) {
  const auto published = load_model(weights).value();
  ModelCard card = published->card();
  card.preprocess.mode = ResizeMode::Stretch;
  card.preprocess.crop_width = 48;
  card.preprocess.crop_height = 32;
  const std::string path = folder.file("base.safetensors");
  EXPECT_TRUE(save_model(*Model::create(card, *published->weights().value()).value(), path).ok());
  return path;
}

class Gestures : public ::testing::Test {
 protected:
  void begin(const std::string& archive, const std::string& weights) {
    std::string command = "tar -xzf '";
    command.append(archive).append("' -C '").append(folder_.file("")).append("'");
    ASSERT_EQ(std::system(command.c_str()), 0);
    train_ = open_image_folder(folder_.file("train")).value();
    test_ = open_image_folder(folder_.file("test")).value();
    for (size_t i = 0; i < train_->size(); ++i) of_class_[train_->class_id(i)].push_back(i);
    spec_.hub = ModelHub::acquire("");
    spec_.base_model_file = base_with_wide_input(weights, folder_);
    spec_.in_caller = true;
    learner_ = started(spec_, events_);
  }
  // One frame, and what the learner makes of it.
  void step() {
    const size_t class_id = time_ns_ / kBlock_ns % of_class_.size();
    std::vector<size_t>& pictures = of_class_[class_id];
    const DecodedImage image = train_->get(pictures[next_[class_id]++ % pictures.size()]).value();
    const HeldLabel held{train_->classes()[class_id], LabelSource::Event};
    ASSERT_TRUE(learner_->offer(image.view, {"camera", 1, time_ns_, 0}, {"camera", time_ns_}, held).ok());
    learner_->run_pending();
    time_ns_ += kFrame_ns;
  }
  void play_until(uint64_t end_ns) {
    while (time_ns_ < end_ns) step();
  }
  void play_until_each_class_has(size_t samples) {
    const auto fewest = [&] {
      const StoreCounts counts = learner_->status().store;
      size_t least = counts.train_per_class.size() < of_class_.size() ? 0 : SIZE_MAX;
      for (const auto& [label, count] : counts.train_per_class) least = std::min(least, count);
      return least;
    };
    while (fewest() < samples) step();
  }
  double accuracy() const {
    const double value = testing::accuracy_on(*spec_.hub, test_);
    std::printf("gestures: %5.1f s, %3zu samples, generation %llu (%s): %.4f\n",
                static_cast<double>(time_ns_) / static_cast<double>(testing::kSecond_ns),
                learner_->status().store.train, static_cast<unsigned long long>(spec_.hub->current().generation),
                events_.of<Promoted>().empty() ? "base" : events_.of<Promoted>().back().candidate.c_str(), value);
    return value;
  }

  const TemporaryFolder folder_;
  LearnerSpec spec_;
  Events events_;
  std::unique_ptr<Learner> learner_;
  DatasetPtr train_, test_;
  std::map<size_t, std::vector<size_t>> of_class_;
  std::map<size_t, size_t> next_;
  uint64_t time_ns_ = 0;
};

TEST_F(Gestures, AreKnownFromTwelveSamplesOfEachAndWellWithinThirtySeconds) {
  RESNETFT_SHARED_DATA(archive, "gestures.tar.gz");
  RESNETFT_SHARED_DATA(weights, "weights/resnet20-12fca82f.th");
  begin(archive, weights);
  play_until_each_class_has(12);
  EXPECT_GE(accuracy(), 0.85);
  const uint64_t last_class_from_ns = 2 * kBlock_ns;
  for (uint64_t seconds = 10; seconds <= 25; seconds += 5) {
    play_until(last_class_from_ns + seconds * testing::kSecond_ns);
    accuracy();
  }
  play_until(last_class_from_ns + 30 * testing::kSecond_ns);
  EXPECT_GE(accuracy(), 0.95);
}

}  // namespace
}  // namespace resnetft
