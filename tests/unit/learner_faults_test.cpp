// SPDX-License-Identifier: MIT
// Faults of a run: each ends in one message and the state Error, what is shown stays, and the next run may succeed.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "device/torch_module.h"
#include "tests/support/learner.h"

namespace resnetft {
namespace {

using testing::Events;
using testing::learner_spec;
using testing::SceneStream;
using testing::shown;
using testing::TemporaryFolder;

class LearnerFaults : public ::testing::Test {
 protected:
  void begin(LearnerSpec learner_spec) {
    spec_ = std::move(learner_spec);
    learner_ = Learner::create(spec_, [this, observe = events_.observer()](const LearnerEvent& event) {
                 observe(event);
                 if (throws_in_epoch_ && std::holds_alternative<EpochEnded>(event)) throw std::runtime_error("thrown");
               }).value();
    base_ = shown(*spec_.hub)->sha256();
    SceneStream stream;
    stream.play(*learner_, 24);
  }
  LearnerSpec spec() const {
    LearnerSpec spec = learner_spec(folder_);
    spec.rules.instant_head = InstantHeadKind::Off;
    return spec;
  }
  void train(const LearnerRules& rules) {
    learner_->set_rules(rules);
    ASSERT_TRUE(learner_->train_now());
    learner_->run_pending();
  }
  void expect_failure(ErrorCode code) const {
    const auto failures = events_.of<LearnerFailed>();
    ASSERT_EQ(failures.size(), 1u);
    EXPECT_EQ(failures[0].error.code, code) << to_string(failures[0].error);
    EXPECT_FALSE(failures[0].error.message.empty());
    EXPECT_EQ(learner_->status().state, LearnerState::Error);
    EXPECT_EQ(shown(*spec_.hub)->sha256(), base_);
  }
  void expect_success_now() {
    train(spec_.rules);
    EXPECT_EQ(events_.of<LearnerFailed>().size(), 1u);
    EXPECT_EQ(events_.of<Promoted>().size(), 1u);
    EXPECT_EQ(learner_->status().state, LearnerState::Collecting);
  }

  const TemporaryFolder folder_;
  Events events_;
  LearnerSpec spec_;
  std::unique_ptr<Learner> learner_;
  std::string base_;
  bool throws_in_epoch_ = false;
};

TEST_F(LearnerFaults, ALossThatIsNotFinite) {
  begin(spec());
  LearnerRules rules = spec_.rules;
  rules.recipe.lr = 1e30;
  train(rules);
  expect_failure(ErrorCode::Internal);
  expect_success_now();
}

TEST_F(LearnerFaults, AnExceptionInTheMiddleOfARun) {
  begin(spec());
  throws_in_epoch_ = true;
  train(spec_.rules);
  throws_in_epoch_ = false;
  expect_failure(ErrorCode::Internal);
  EXPECT_NE(events_.of<LearnerFailed>()[0].error.message.find("thrown"), std::string::npos);
  expect_success_now();
}

// A limit on the address space, a little above what is used: the pictures of one batch need gigabytes at once, so that
// no library is left with half of what it asked for.
TEST_F(LearnerFaults, MoreMemoryThanThereIs) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "not tested: AddressSanitizer needs all of the address space";
#endif
  begin(spec());
  LearnerRules rules = spec_.rules;
  rules.trainable = Trainable::All;
  rules.recipe.batch_size = 1024;
  rules.recipe.train_crop_width = rules.recipe.train_crop_height = 512;
  ASSERT_TRUE(torch_module().ok());
  size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  rlimit before;
  getrlimit(RLIMIT_AS, &before);
  const rlimit small{pages * static_cast<size_t>(getpagesize()) + (size_t{1} << 30), before.rlim_max};
  setrlimit(RLIMIT_AS, &small);
  train(rules);
  setrlimit(RLIMIT_AS, &before);
  expect_failure(ErrorCode::OutOfMemory);
  expect_success_now();
}

// A file where the folder should be: what is not writable for root, too.
TEST_F(LearnerFaults, AFolderThatCannotBeWritten) {
  LearnerSpec asked = spec();
  asked.checkpoint_dir = folder_.file("generations");
  testing::write_text(asked.checkpoint_dir, "in the way");
  begin(asked);
  train(spec_.rules);
  expect_failure(ErrorCode::Io);
  std::filesystem::remove(asked.checkpoint_dir);
  expect_success_now();
}

// A limit on the size of files fails as a full disk does: in the middle of writing.
TEST_F(LearnerFaults, ADiskThatIsFull) {
  LearnerSpec asked = spec();
  asked.checkpoint_dir = folder_.file("generations");
  begin(asked);
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  const auto old_handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit small{100'000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  train(spec_.rules);
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, old_handler);
  expect_failure(ErrorCode::Io);
  EXPECT_TRUE(std::filesystem::is_empty(asked.checkpoint_dir));
  expect_success_now();
}

TEST_F(LearnerFaults, AModelFileThatIsDeleted) {
  begin(spec());
  const std::string file = testing::read_text(spec_.base_model_file);
  std::filesystem::remove(spec_.base_model_file);
  train(spec_.rules);
  expect_failure(ErrorCode::NotFound);
  testing::write_text(spec_.base_model_file, file);
  expect_success_now();
}

TEST(LearnerSpecs, WhatIsNeverRightIsRefusedAndNamed) {
  const TemporaryFolder folder;
  Events events;
  const auto refusal = [&](auto change) {
    LearnerSpec spec = learner_spec(folder);
    change(spec);
    const auto learner = Learner::create(spec, events.observer());
    return learner ? std::string("accepted") : learner.error().message;
  };
  EXPECT_NE(refusal([](LearnerSpec& spec) { spec.rules.duty_cycle = 0; }).find("duty-cycle"), std::string::npos);
  EXPECT_NE(refusal([](LearnerSpec& spec) { spec.threads = 0; }).find("training-threads"), std::string::npos);
  EXPECT_NE(refusal([](LearnerSpec& spec) { spec.rules.trainable = Trainable::Auto; }).find("trainable=auto"),
            std::string::npos);
  EXPECT_NE(refusal([](LearnerSpec& spec) { spec.base_model_file.clear(); }).find("no model"), std::string::npos);
  EXPECT_NE(refusal([](LearnerSpec& spec) { spec.device = "abacus"; }).find("abacus"), std::string::npos);
}

}  // namespace
}  // namespace resnetft
