// SPDX-License-Identifier: MIT
#include "resnetft/model_hub.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "tests/support/hang_guard.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace resnetft {
namespace {

using testing::TemporaryFolder;
using testing::tiny_model;

class Recorder : public ModelHub::Subscriber {
 public:
  Status prepare(const ModelHub::Current& next) override {
    prepared.push_back(next.generation);
    if (refuses) return Error{ErrorCode::Incompatible, "not this one", ""};
    return Status::success();
  }
  void promoted(const ModelHub::Current& now) override { shown.push_back(now.generation); }

  bool refuses = false;
  std::vector<uint64_t> prepared, shown;
};

Result<ModelHub::Current> roll_back(ModelHub& hub) {
  std::promise<Result<ModelHub::Current>> promise;
  hub.rollback([&](const Result<ModelHub::Current>& outcome) { promise.set_value(outcome); });
  return promise.get_future().get();
}

TEST(ModelHub, IsEmptyUntilSomethingIsPublished) {
  const auto hub = ModelHub::acquire("");
  EXPECT_EQ(hub->current().generation, 0u);
  EXPECT_EQ(hub->current().snapshot, nullptr);
}

TEST(ModelHub, OneIdIsOneHubAndNoIdIsPrivate) {
  const auto hub = ModelHub::acquire("belt");
  EXPECT_EQ(hub, ModelHub::acquire("belt"));
  EXPECT_NE(hub, ModelHub::acquire("other"));
  EXPECT_NE(ModelHub::acquire(""), ModelHub::acquire(""));
}

TEST(ModelHub, EverySubscriberIsReadyBeforeAGenerationIsCurrentAndIsToldAfter) {
  const auto hub = ModelHub::acquire("");
  Recorder recorder;
  hub->subscribe(recorder);
  const auto outcome = hub->publish(tiny_model(1));
  hub->unsubscribe(recorder);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->generation, 1u);
  EXPECT_EQ(hub->current().generation, 1u);
  EXPECT_EQ(recorder.prepared, (std::vector<uint64_t>{1}));
  EXPECT_EQ(recorder.shown, (std::vector<uint64_t>{1}));
}

TEST(ModelHub, KeepsTheOldModelWhenEverySubscriberRefuses) {
  const auto hub = ModelHub::acquire("");
  ASSERT_TRUE(hub->publish(tiny_model(1)).ok());
  Recorder recorder;
  recorder.refuses = true;
  hub->subscribe(recorder);
  const auto outcome = hub->publish(tiny_model(2));
  hub->unsubscribe(recorder);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().message, "not this one");
  EXPECT_EQ(hub->current().generation, 1u);
  EXPECT_TRUE(recorder.shown.empty());
}

TEST(ModelHub, RollingBackShowsTheOlderModelUnderANewNumber) {
  const auto hub = ModelHub::acquire("");
  for (unsigned seed = 1; seed <= 3; ++seed) ASSERT_TRUE(hub->publish(tiny_model(seed)).ok());
  const auto back = roll_back(*hub);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->generation, 4u);
  EXPECT_EQ(back->snapshot->model().sha256(), tiny_model(2)->sha256());
  const auto further = roll_back(*hub);
  ASSERT_TRUE(further.ok());
  EXPECT_EQ(further->snapshot->model().sha256(), tiny_model(1)->sha256());
  const auto no_further = roll_back(*hub);
  ASSERT_FALSE(no_further.ok());
  EXPECT_EQ(no_further.error().code, ErrorCode::NotFound);
}

TEST(ModelHub, HistoryIsBounded) {
  const auto hub = ModelHub::acquire("");
  for (unsigned seed = 0; seed < 9; ++seed) ASSERT_TRUE(hub->publish(tiny_model(seed)).ok());
  size_t steps = 0;
  while (roll_back(*hub).ok()) ++steps;
  EXPECT_EQ(steps, ModelHub::kHistory);
}

TEST(ModelHub, ASecondFileIsRefusedAndBothAreNamed) {
  const TemporaryFolder folder;
  const std::string one = folder.file("one.safetensors"), two = folder.file("two.safetensors");
  ASSERT_TRUE(save_model(*tiny_model(1), one).ok());
  ASSERT_TRUE(save_model(*tiny_model(2), two).ok());
  const auto hub = ModelHub::acquire("");
  ASSERT_TRUE(hub->seed(one, {}).ok());
  EXPECT_EQ(hub->seed(one, {})->generation, 1u);
  const auto other = hub->seed(two, {});
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code, ErrorCode::Incompatible);
  EXPECT_NE(other.error().message.find(one), std::string::npos);
  EXPECT_NE(other.error().message.find(two), std::string::npos);
}

TEST(ModelHub, AFailedLoadLeavesTheOldModel) {
  const auto hub = ModelHub::acquire("");
  ASSERT_TRUE(hub->publish(tiny_model(1)).ok());
  std::promise<Result<ModelHub::Current>> promise;
  hub->load("absent.safetensors", {}, [&](const Result<ModelHub::Current>& outcome) { promise.set_value(outcome); });
  const auto outcome = promise.get_future().get();
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, ErrorCode::NotFound);
  EXPECT_EQ(hub->current().generation, 1u);
}

TEST(ModelHub, WhatIsDisposedOfDiesOnTheLoaderThreadOnceNobodyHoldsIt) {
  std::promise<std::thread::id> died;
  struct Object {
    std::promise<std::thread::id>& died;
    ~Object() { died.set_value(std::this_thread::get_id()); }
  };
  auto held = std::make_shared<Object>(died);
  const auto hub = ModelHub::acquire("");
  hub->dispose(held);
  std::future<std::thread::id> future = died.get_future();
  EXPECT_EQ(future.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
  held.reset();
  EXPECT_NE(future.get(), std::this_thread::get_id());
}

TEST(ModelHub, TheLastHolderMayLetGoOnTheLoaderThread) {
  auto hub = ModelHub::acquire("");
  std::promise<void> done;
  std::shared_ptr<ModelHub>* last = new std::shared_ptr<ModelHub>(hub);
  hub.reset();
  (*last)->rollback([last, &done](const Result<ModelHub::Current>&) {
    delete last;
    done.set_value();
  });
  EXPECT_EQ(done.get_future().wait_for(testing::kHangGuard), std::future_status::ready);
}

// Reads the current generation until `stop`, at least kReads times, and times the first kReads.
class HubReader {
 public:
  static constexpr size_t kReads = 250'000;

  HubReader(const ModelHub& hub, const std::atomic<uint64_t>& published, const std::atomic<bool>& stop)
      : thread_([&] {
          nanoseconds_.reserve(kReads);
          while (!stop || nanoseconds_.size() < kReads) read(hub, published);
        }) {}
  void join() { thread_.join(); }
  int faults() const { return faults_; }
  const std::vector<int64_t>& nanoseconds() const { return nanoseconds_; }

 private:
  // One that begins after publish() returned must see that generation or a later one, and never a mix: the label of a
  // snapshot is its generation.
  void read(const ModelHub& hub, const std::atomic<uint64_t>& published) {
    const uint64_t least = published;
    const auto begin = std::chrono::steady_clock::now();
    const ModelHub::Current now = hub.current();
    const std::chrono::nanoseconds time = std::chrono::steady_clock::now() - begin;
    if (nanoseconds_.size() < kReads) nanoseconds_.push_back(time.count());
    if (now.generation < least) ++faults_;
    if (now.snapshot->model().card().labels[0] != std::to_string(now.generation)) ++faults_;
  }

  std::vector<int64_t> nanoseconds_;
  int faults_ = 0;
  std::thread thread_;
};

TEST(ModelHub, AMillionReadsBesideAThousandPublishesSeeNoOlderGenerationAndNoMixAndLeaveNothing) {
  constexpr uint64_t kPublishes = 1000;
  auto hub = ModelHub::acquire("");
  ModelCard card = tiny_model(1, {"1"})->card();
  const FloatWeights weights = *tiny_model(1, {"1"})->weights().value();
  std::vector<std::weak_ptr<const Model>> models;
  const auto publish = [&](uint64_t generation) {
    card.labels = {std::to_string(generation)};
    const std::shared_ptr<const Model> model = Model::create(card, weights).value();
    models.push_back(model);
    return hub->publish(model)->generation;
  };
  std::atomic<uint64_t> published = publish(1);
  std::atomic<bool> stop = false;
  std::vector<std::unique_ptr<HubReader>> readers;
  for (int i = 0; i < 4; ++i) readers.push_back(std::make_unique<HubReader>(*hub, published, stop));
  for (uint64_t generation = 2; generation <= kPublishes; ++generation) published = publish(generation);
  stop = true;
  std::vector<int64_t> times;
  for (const auto& reader : readers) {
    reader->join();
    EXPECT_EQ(reader->faults(), 0);
    times.insert(times.end(), reader->nanoseconds().begin(), reader->nanoseconds().end());
  }
  EXPECT_EQ(published, kPublishes);
  ASSERT_EQ(times.size(), 4 * HubReader::kReads);
  std::ranges::nth_element(times, times.begin() + static_cast<ptrdiff_t>(times.size() * 99 / 100));
  std::printf("p99 of a read: %.2f microseconds\n", static_cast<double>(times[times.size() * 99 / 100]) / 1000);
  hub.reset();
  EXPECT_TRUE(std::ranges::all_of(models, [](const auto& model) { return model.expired(); }));
}

}  // namespace
}  // namespace resnetft
