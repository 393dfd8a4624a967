// SPDX-License-Identifier: MIT
// The small checkpoints of data/checkpoints are PyTorch's own, made by data/make_checkpoints.py; each holds the same
// values. Hostile ones are made here by damaging them.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "model/weights.h"
#include "tests/support/temporary_folder.h"

namespace resnetft {
namespace {

const std::string kFolder = RESNETFT_TEST_DATA "/checkpoints/";

Result<Weights> parse(const std::string& file) { return parse_weights(std::as_bytes(std::span(file)), "x"); }

void expect_corrupt(const std::string& file, std::string_view reason) {
  const Result<Weights> weights = parse(file);
  ASSERT_FALSE(weights.ok()) << reason;
  EXPECT_EQ(weights.error().code, ErrorCode::CorruptFile);
  EXPECT_NE(weights.error().message.find(reason), std::string::npos) << weights.error().message;
}

class EveryCheckpoint : public ::testing::TestWithParam<const char*> {};

TEST_P(EveryCheckpoint, HoldsTheValuesThatPytorchWrote) {
  const Result<Weights> weights = read_weights(kFolder + GetParam());
  ASSERT_TRUE(weights.ok()) << to_string(weights.error());
  std::vector<std::string> names;
  for (const Tensor& tensor : weights->tensors) names.push_back(tensor.name);
  const std::string prefix = names.at(0).starts_with("module.") ? "module." : "";
  ASSERT_EQ(names, (std::vector<std::string>{prefix + "a", prefix + "b", prefix + "c"}));
  EXPECT_EQ(weights->tensors[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(to_floats(weights->tensors[0]), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(weights->tensors[1].shape, (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(to_floats(weights->tensors[1]), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(weights->tensors[2].shape, (std::vector<int64_t>{}));
  EXPECT_EQ(to_floats(weights->tensors[2]), (std::vector<float>{-1.5}));
}

TEST_P(EveryCheckpoint, IsCorruptWhereverItIsCut) {
  const std::string file = testing::read_text(kFolder + GetParam());
  for (size_t percent = 0; percent < 100; ++percent) {
    const Result<Weights> weights = parse(file.substr(0, file.size() * percent / 100));
    ASSERT_FALSE(weights.ok()) << percent;
    EXPECT_EQ(weights.error().code, ErrorCode::CorruptFile) << percent;
  }
}

// Seeded, so a failure repeats. A flip may only change values, or be noticed.
TEST_P(EveryCheckpoint, WithFlippedBitsIsReadWithinItsBoundsOrRefused) {
  std::mt19937 random(2);
  const std::string good = testing::read_text(kFolder + GetParam());
  for (int round = 0; round < 3000; ++round) {
    std::string file = good;
    for (unsigned int flips = 1 + random() % 3; flips > 0; --flips)
      file[random() % file.size()] ^= static_cast<char>(1 << random() % 8);
    const Result<Weights> weights = parse(file);
    if (!weights.ok()) {
      ASSERT_EQ(weights.error().code, ErrorCode::CorruptFile);
      continue;
    }
    size_t total = 0;
    for (const Tensor& tensor : weights->tensors) total += to_floats(tensor).size() * dtype_bytes(tensor.dtype);
    ASSERT_LE(total, 3 * file.size());
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoint, EveryCheckpoint,
                         ::testing::Values("zip_f32.pth", "zip_f16.pth", "zip_bf16.pth", "zip_f64.pth",
                                           "zip_nested.pth", "zip_module.pth", "legacy_f32.th", "legacy_nested.th"),
                         [](const auto& info) {
                           const std::string name = info.param;
                           return name.substr(0, name.find('.'));
                         });

TEST(Checkpoint, AClassThatIsNotOnTheListIsNamed) {
  expect_corrupt(testing::read_text(kFolder + "evil.pth"), "posix system");
}

TEST(Checkpoint, ACompressedArchiveIsRefused) {
  expect_corrupt(testing::read_text(kFolder + "compressed.pth"), "compressed");
}

TEST(Checkpoint, ForeignFilesAreToldApart) {
  expect_corrupt("", "empty");
  expect_corrupt("<html>not found</html>", "neither");
  expect_corrupt("PK\x05\x06", "no zip file");
}

}  // namespace
}  // namespace resnetft
