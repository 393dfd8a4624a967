// SPDX-License-Identifier: MIT
// The small checkpoints of data/checkpoints are PyTorch's own, made by data/make_checkpoints.py; each holds the same
// values. Hostile ones are made here by damaging them.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "model/weights.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/zip_builder.h"

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
                                           "zip_nested.pth", "zip_module.pth", "zip_protocol4.pth", "zip_flat.pth",
                                           "zip_parameters.pth", "zip_parameters_with_state.pth", "zip_training.pth",
                                           "zip_deep.pth", "zip_without_checksums.pth", "zip_of_python.pth",
                                           "legacy_f32.th", "legacy_nested.th", "legacy_training.th"),
                         [](const auto& info) {
                           const std::string name = info.param;
                           return name.substr(0, name.find('.'));
                         });

TEST(Checkpoint, AClassThatIsNotOnTheListIsNamed) {
  expect_corrupt(testing::read_text(kFolder + "evil.pth"), "posix.system");
}

TEST(Checkpoint, ACompressedArchiveIsRefused) {
  expect_corrupt(testing::read_text(kFolder + "compressed.pth"), "compressed");
}

TEST(Checkpoint, ABigEndianOneIsRefused) {
  expect_corrupt(testing::read_text(kFolder + "big_endian.pth"), "big-endian");
  std::string legacy = testing::read_text(kFolder + "legacy_f32.th");
  const size_t flag = legacy.find('\x88', legacy.find("little_endian"));
  ASSERT_NE(flag, std::string::npos);
  legacy[flag] = '\x89';
  expect_corrupt(legacy, "big-endian");
}

TEST(Checkpoint, ForeignFilesAreToldApart) {
  expect_corrupt("", "empty");
  expect_corrupt("<html>not found</html>", "neither");
  expect_corrupt("version https://git-lfs.github.com/spec/v1\noid", "Git LFS");
  expect_corrupt("PK\x05\x06", "shorter than a zip");
  expect_corrupt("\x80\x02}.", "magic number");
}

TEST(Checkpoint, PlainValuesBesideTheTensorsAreMetadata) {
  const Result<Weights> weights = read_weights(kFolder + "zip_nested.pth");
  ASSERT_TRUE(weights.ok());
  EXPECT_EQ(weights->metadata, (std::map<std::string, std::string>{{"epoch", "7"}, {"best", "0.5"}, {"name", "x"}}));
  EXPECT_EQ(weights->format, "pytorch-zip");
  EXPECT_EQ(read_weights(kFolder + "legacy_nested.th")->format, "pytorch-legacy");
}

TEST(Checkpoint, AFlippedBitInTheTensorsOfAZipIsNoticed) {
  std::string file = testing::read_text(kFolder + "zip_f64.pth");
  const double two = 2;
  const size_t at = file.find(std::string(reinterpret_cast<const char*>(&two), sizeof two));
  ASSERT_NE(at, std::string::npos);
  file[at + 3] ^= 1;
  expect_corrupt(file, "checksum");
}

// Checkpoints written by hand, to say what PyTorch never would.
std::string text(std::string_view value) {
  std::string pickle = "X";
  testing::put(pickle, value.size(), 4);
  return pickle + std::string(value);
}

std::string number(uint64_t value) {
  std::string pickle = "\x8a\x08";
  testing::put(pickle, value, 8);
  return pickle;
}

std::string tensor(const std::string& name, uint64_t offset, uint64_t size, uint64_t stride) {
  return text(name) + "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\nFloatStorage\n" + text("0") +
         text("cpu") + number(1000) + "tQ" + number(offset) + number(size) + "\x85" + number(stride) + "\x85\x89NtR";
}

std::string checkpoint_with(const std::string& tensors, size_t storage_bytes = 4000) {
  return testing::build_zip(
      {{"x/data.pkl", std::string("\x80\x02}(") + tensors + "u."}, {"x/data/0", std::string(storage_bytes, '\0')}});
}

TEST(Checkpoint, TensorsReachToTheLastElementOfTheirStorageAndNoFurther) {
  EXPECT_TRUE(parse(checkpoint_with(tensor("a", 0, 1000, 1))).ok());
  EXPECT_TRUE(parse(checkpoint_with(tensor("a", 100, 4, 299))).ok());  // 100 + 3 * 299 = 997
  for (const std::string& pickle :
       {tensor("a", 1, 1000, 1), tensor("a", 0, 1001, 1), tensor("a", 1000, 1, 1), tensor("a", 103, 4, 299),
        tensor("a", uint64_t{1} << 62, 1, 1), tensor("a", 0, 3, uint64_t{1} << 62), tensor("a", INT64_MAX, 1, 1)})
    EXPECT_FALSE(parse(checkpoint_with(pickle)).ok());
  expect_corrupt(checkpoint_with(tensor("a", 1, 1000, 1)), "tensor 'a' lies outside its storage");
  expect_corrupt(checkpoint_with(tensor("a", 0, uint64_t{1} << 62, 0)), "too large");
  expect_corrupt(checkpoint_with(tensor("a", 0, 1, 1), 3), "outside its storage");
  expect_corrupt(testing::build_zip({{"x/data.pkl", std::string("}(") + tensor("a", 0, 1, 1) + "u."}}),
                 "'x/data/0' is missing");
}

TEST(Checkpoint, TensorsThatAreFarLargerThanTheFileAreRefused) {
  expect_corrupt(checkpoint_with(tensor("a", 0, 3'000'000, 0)), "strided tensors are larger than the file");
  std::string tensors;
  for (int i = 0; i < 5000; ++i) tensors += tensor(std::to_string(i), 0, 10'000, 1);
  expect_corrupt(checkpoint_with(tensors, 40'000), "together far larger than the file");
}

TEST(Checkpoint, AMillionTensorsAreRefused) {
  std::string tensors;
  for (int i = 0; i < 1'000'000; ++i) tensors += tensor(std::to_string(i), 0, 1, 1);
  expect_corrupt(checkpoint_with(tensors), "more than a million values");
}

TEST(Checkpoint, NamesThatAreNoNamesAreRefused) {
  expect_corrupt(checkpoint_with(tensor("a", 0, 1, 1) + tensor("a", 0, 1, 1)), "names a tensor twice");
  expect_corrupt(checkpoint_with(tensor(std::string(2000, 'a') + ".weight", 0, 1, 1)), "no tensor's name");
  expect_corrupt(checkpoint_with(""), "no state dict");
  expect_corrupt(checkpoint_with(text("a") + "N"), "no state dict");
}

// A dict that holds itself under every key that is looked at, and a wide one that is reached by many ways.
TEST(Checkpoint, DictsThatHoldThemselvesAreSearchedOnce) {
  std::string loops = "}q\x01(";
  for (const char* key : {"state_dict", "model", "net", "ema", "module"}) loops += text(key) + "h\x01";
  expect_corrupt(testing::build_zip({{"x/data.pkl", loops + "u."}}), "no state dict");
  std::string wide = "}q\x01(";
  for (int i = 0; i < 200'000; ++i) wide += "NN";
  wide +=
      "uq\x02"
      "0}(";
  for (int i = 0; i < 200'000; ++i) wide += "Nh\x02";
  expect_corrupt(testing::build_zip({{"x/data.pkl", wide + "u."}}), "no state dict");
}

TEST(Checkpoint, LegacyStoragesThatLieAboutTheirSizeAreRefused) {
  const std::string good = testing::read_text(kFolder + "legacy_f32.th");
  const size_t first = good.size() - 8 - 4 - 8 - 24;  // counts of 6 and 1 in one order or the other
  for (const uint64_t count : {uint64_t{1} << 63, uint64_t{1} << 62, uint64_t{1000}, ~uint64_t{0}}) {
    std::string lies = good.substr(0, first);
    testing::put(lies, count, 8);
    expect_corrupt(lies + good.substr(first + 8), "storages are cut short");
  }
}

}  // namespace
}  // namespace resnetft
