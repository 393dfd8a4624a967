// SPDX-License-Identifier: MIT
// A learner on its own thread: stopping, cancelling, resting, and the same bits as without one.
#include <gtest/gtest.h>
#include <sched.h>
#include <time.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "resnetft/log.h"
#include "tests/support/dataset.h"
#include "tests/support/learner.h"
#include "tests/support/shortest_time.h"
#include "tests/support/wait_until.h"

namespace resnetft {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using testing::Events;
using testing::learner_spec;
using testing::SceneStream;
using testing::shown;
using testing::started;
using testing::TemporaryFolder;
using testing::wait_until;

LearnerSpec spec_with_thread(const TemporaryFolder& folder) {
  LearnerSpec spec = learner_spec(folder);
  spec.in_caller = false;
  spec.rules.instant_head = InstantHeadKind::Off;
  return spec;
}

// Waits where a pipeline would drop a sample, because every slot waits for the learner.
void play_without_loss(SceneStream& stream, Learner& learner, size_t blocks) {
  for (size_t i = 0; i < blocks * SceneStream::kFramesPerBlock; ++i) {
    const HeldLabel held{stream.label(), LabelSource::Event};
    uint64_t dropped;
    do {
      dropped = learner.status().frames_without_slot;
      ASSERT_TRUE(learner.offer(stream.image(), stream.key(), stream.place(), held).ok());
    } while (learner.status().frames_without_slot > dropped);
    stream.next();
    learner.run_pending();
  }
}

// A run that takes far longer than any test.
LearnerRules endless(LearnerRules rules) {
  rules.trainable = Trainable::All;
  rules.recipe.epochs = 1'000'000;
  rules.recipe.lr = 1e-6;
  return rules;
}

// Together with a thread that stop() left behind.
void destroy(std::unique_ptr<Learner> learner, const Events& events) {
  learner.reset();
  EXPECT_TRUE(wait_until([&] { return events.are_all(); }));
}

TEST(LearnerThread, TrainsToTheBitsOfALearnerWithoutAThread) {
  std::string hashes[2];
  for (const bool in_caller : {false, true}) {
    const TemporaryFolder folder;
    Events events;
    LearnerSpec spec = spec_with_thread(folder);
    spec.in_caller = in_caller;
    const auto learner = started(spec, events);
    SceneStream stream;
    play_without_loss(stream, *learner, 24);
    ASSERT_TRUE(learner->finish({}));
    learner->train_now();
    ASSERT_TRUE(learner->finish({}));
    ASSERT_EQ(events.of<Promoted>().size(), 1u);
    hashes[in_caller] = shown(*spec.hub)->sha256();
  }
  EXPECT_EQ(hashes[0], hashes[1]);
}

TEST(LearnerThread, RunsAsIdleAsTheSystemAllows) {
  const TemporaryFolder folder;
  std::vector<std::string> notes;
  set_log_sink([&](LogLevel, std::string_view line) { notes.emplace_back(line); });
  std::atomic<int> policy = -1;
  const LearnerSpec spec = spec_with_thread(folder);
  const auto learner = Learner::create(spec, [&](const LearnerEvent&) { policy = sched_getscheduler(0); }).value();
  SceneStream stream;
  stream.offer(*learner, "a");
  ASSERT_TRUE(learner->finish({}));
  learner->stop();
  set_log_sink({});
  const bool refused = std::ranges::any_of(
      notes, [](const std::string& note) { return note.find("SCHED_IDLE was refused") != std::string::npos; });
  EXPECT_EQ(policy, refused ? SCHED_OTHER : SCHED_IDLE);
}

TEST(LearnerThread, LabelsThatComeDuringARunGoToTheNextAndARunCanBeCancelled) {
  const TemporaryFolder folder;
  Events events;
  LearnerSpec spec = spec_with_thread(folder);
  spec.rules = endless(spec.rules);
  const auto learner = started(spec, events);
  SceneStream stream;
  EXPECT_FALSE(learner->cancel());
  stream.play(*learner, 9);
  ASSERT_TRUE(learner->finish({}));
  const StoreCounts before = learner->status().store;
  learner->train_now();
  ASSERT_TRUE(wait_until([&] { return learner->status().progress > 0; }));
  stream.play(*learner, 3);
  ASSERT_TRUE(wait_until([&] { return learner->status().store.offered > before.offered; }));
  EXPECT_EQ(learner->status().state, LearnerState::Training);
  EXPECT_EQ(events.of<TrainStarted>().at(0).train_samples, before.train);
  EXPECT_TRUE(learner->cancel());
  ASSERT_TRUE(learner->finish({}));
  EXPECT_EQ(events.of<NotTrained>().back().reason, "the run was cancelled");
  EXPECT_EQ(spec.hub->current().generation, 1u);
  EXPECT_TRUE(events.of<LearnerFailed>().empty());
}

TEST(LearnerThread, FinishGivesUpWhenItIsTold) {
  const TemporaryFolder folder;
  Events events;
  LearnerSpec spec = spec_with_thread(folder);
  spec.rules = endless(spec.rules);
  const auto learner = started(spec, events);
  SceneStream stream;
  stream.play(*learner, 9);
  learner->train_now();
  int asked = 0;
  EXPECT_FALSE(learner->finish([&] { return ++asked == 5; }));
  EXPECT_EQ(asked, 5);
}

TEST(LearnerThread, NothingIsObservedAfterStopAndAnotherMayFollow) {
  const TemporaryFolder folder;
  const LearnerSpec spec = spec_with_thread(folder);
  for (int i = 0; i < 3; ++i) {
    Events events;
    auto learner = started(spec, events);
    SceneStream stream;
    stream.play(*learner, 2);
    learner->stop();
    const size_t told = events.all().size();
    EXPECT_FALSE(learner->train_now());
    EXPECT_FALSE(learner->finish({}));
    learner->stop();
    destroy(std::move(learner), events);
    EXPECT_EQ(events.all().size(), told);
  }
}

TEST(LearnerThread, IsStoppedFromItsOwnObserver) {
  const TemporaryFolder folder;
  LearnerSpec spec = spec_with_thread(folder);
  std::unique_ptr<Learner> learner;
  std::atomic<int> calls = 0;
  std::atomic<bool> ready = false, returned = false;
  learner = Learner::create(spec, [&](const LearnerEvent&) {
              while (!ready) std::this_thread::yield();
              ++calls;
              learner->stop();
              returned = true;
            }).value();
  ready = true;
  SceneStream stream;
  stream.play(*learner, 1);
  ASSERT_TRUE(wait_until([&] { return returned.load(); }));
  learner->stop();
  EXPECT_EQ(calls, 1);
}

double seconds_to_stop_in_a_step(const std::shared_ptr<const Model>& base) {
  Events events;
  LearnerSpec spec;
  spec.hub = ModelHub::acquire("");
  EXPECT_TRUE(spec.hub->publish(base).ok());
  spec.rules = endless({});
  spec.rules.train = TrainWhen::Manual;
  spec.rules.duty_cycle = 1;
  spec.rules.instant_head = InstantHeadKind::Off;
  spec.rules.recipe.batch_size = 32;
  auto learner = started(spec, events);
  for (uint32_t i = 0; i < 40; ++i) {
    const DecodedImage image = testing::noise_image(i, 256, 256);
    EXPECT_TRUE(learner
                    ->offer(image.view, {"camera", 1, i * 1'000'000, 0}, {"camera", i * 1'000'000},
                            {i % 2 ? "a" : "b", LabelSource::Event})
                    .ok());
  }
  EXPECT_TRUE(learner->finish({}));
  learner->train_now();
  EXPECT_TRUE(wait_until([&] { return !events.of<TrainStarted>().empty(); }));
  std::this_thread::sleep_for(2500ms);  // the base has been judged, or is being judged; a step takes seconds
  const Clock::time_point begin = Clock::now();
  learner->stop();
  const std::chrono::duration<double> took = Clock::now() - begin;
  const size_t told = events.all().size();
  destroy(std::move(learner), events);
  EXPECT_EQ(events.all().size(), told);
  std::printf("stopped after %.3f s\n", took.count());
  return took.count();
}

// The largest that stop() promises: ResNet-18 at 224, batches of 32, all layers, one thread. Where that may not leave
// SCHED_IDLE, stop() leaves it behind in the same time. A stalled machine only adds to it: the shortest counts.
TEST(LearnerThread, StopsWithinTwoSecondsInTheMiddleOfAStep) {
  ModelCard card;
  card.architecture = "resnet18";
  card.num_classes = 2;
  card.labels = {"x", "y"};
  const auto base = Model::create(card, testing::random_weights("resnet18", 2, 1)).value();
  const double shortest = testing::shortest_time(2.0, [&] { return seconds_to_stop_in_a_step(base); });
  RecordProperty("stopped_after_ms", static_cast<int>(shortest * 1000));
  EXPECT_LT(shortest, 2.0);
}

std::chrono::nanoseconds time_of_process() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// On a machine that is busy the thread gets less; it must never take more.
TEST(LearnerThread, TakesNoMoreThanItsShareOfTwoSeconds) {
  const TemporaryFolder folder;
  Events events;
  LearnerSpec spec = spec_with_thread(folder);
  spec.rules = endless(spec.rules);
  spec.rules.duty_cycle = 0.3;
  const auto learner = started(spec, events);
  SceneStream stream;
  stream.play(*learner, 9);
  ASSERT_TRUE(learner->finish({}));
  learner->train_now();
  ASSERT_TRUE(wait_until([&] { return learner->status().progress > 0; }));
  for (int i = 0; i < 3; ++i) {
    const Clock::time_point begin = Clock::now();
    const std::chrono::nanoseconds before = time_of_process();
    std::this_thread::sleep_for(2s);
    const std::chrono::duration<double> cpu = time_of_process() - before;
    const double share = cpu / (Clock::now() - begin);  // read around the process's time: a stall makes it less
    std::printf("duty cycle 0.3: %.3f\n", share);
    EXPECT_LE(share, 0.4);
  }
}

}  // namespace
}  // namespace resnetft
