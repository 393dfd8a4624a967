// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "model/weights.h"
#include "tests/support/temporary_folder.h"

namespace resnetft {
namespace {

constexpr std::string_view kGood =
    R"({"__metadata__":{"resnetft":"card"},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},)"
    R"("a":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]}})";

std::string file_with(std::string_view header, size_t data_bytes, uint64_t length) {
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(length >> 8 * i);
  file += header;
  for (size_t i = 0; i < data_bytes; ++i) file += static_cast<char>(i);
  return file;
}

std::string file_with(std::string_view header, size_t data_bytes) {
  return file_with(header, data_bytes, header.size());
}

Result<Weights> parse(const std::string& file) { return parse_safetensors(std::as_bytes(std::span(file)), "x"); }

void expect_corrupt(const std::string& file, std::string_view reason) {
  const Result<Weights> weights = parse(file);
  ASSERT_FALSE(weights.ok()) << reason;
  EXPECT_EQ(weights.error().code, ErrorCode::CorruptFile);
  EXPECT_NE(weights.error().message.find("'x'"), std::string::npos);
  EXPECT_NE(weights.error().message.find(reason), std::string::npos) << weights.error().message;
}

std::string header_of_one(std::string_view dtype, std::string_view shape, std::string_view offsets) {
  return R"({"a":{"dtype":")" + std::string(dtype) + R"(","shape":)" + std::string(shape) + R"(,"data_offsets":)" +
         std::string(offsets) + "}}";
}

TEST(Safetensors, ReadsTensorsAndMetadata) {
  const testing::TemporaryFolder folder;
  testing::write_text(folder.file("w.safetensors"), file_with(kGood, 12));
  const Result<Weights> weights = read_weights(folder.file("w.safetensors"));
  ASSERT_TRUE(weights.ok()) << to_string(weights.error());
  ASSERT_EQ(weights->tensors.size(), 2u);
  EXPECT_EQ(weights->metadata.at("resnetft"), "card");
  const Tensor& a = weights->tensors[0];
  const Tensor& b = weights->tensors[1];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.dtype, DType::F16);
  EXPECT_EQ(a.shape, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(b.name, "b");
  EXPECT_EQ(b.bytes.size(), 8u);
  EXPECT_EQ(b.bytes.front(), std::byte{4});
}

TEST(Safetensors, AreToldFromPicklesAndZipsWhateverTheirHeadersLengthIs) {
  // 0x80 opens a pickle, "PK" a zip; as lengths they are 128 and 0x4b50.
  for (const size_t length : {size_t{0x80}, size_t{0x180}, size_t{0x4b50}}) {
    const std::string open = R"({"__metadata__":{"x":")", end = R"("}})";
    const std::string file = file_with(open + std::string(length - open.size() - end.size(), 'x') + end, 0);
    const Result<Weights> weights = parse_weights(std::as_bytes(std::span(file)), "x");
    ASSERT_TRUE(weights.ok()) << length << ": " << to_string(weights.error());
    EXPECT_EQ(weights->format, "safetensors");
  }
}

TEST(Safetensors, EveryTruncationIsCorrupt) {
  const std::string file = file_with(kGood, 12);
  for (size_t size = 0; size < file.size(); ++size) {
    const Result<Weights> weights = parse(file.substr(0, size));
    ASSERT_FALSE(weights.ok()) << size;
    EXPECT_EQ(weights.error().code, ErrorCode::CorruptFile) << size;
  }
}

TEST(Safetensors, HeaderLengthsThatOverflowOrExceedTheFileAreCorrupt) {
  expect_corrupt(file_with(kGood, 12, UINT64_MAX), "its header says");
  expect_corrupt(file_with(kGood, 12, UINT64_MAX - 7), "its header says");
  expect_corrupt(file_with(std::string(5 << 20, ' '), 0), "larger than 4 MiB");
}

TEST(Safetensors, TensorsOutsideTheFileOverlappingOrOfAnotherSizeAreCorrupt) {
  expect_corrupt(file_with(header_of_one("F32", "[2]", "[0,8]"), 4), "lies outside the file");
  expect_corrupt(file_with(header_of_one("F32", "[2]", "[8,0]"), 8), "lies outside the file");
  expect_corrupt(file_with(header_of_one("F32", "[2]", "[0,4]"), 4), "a size that its shape does not have");
  expect_corrupt(file_with(header_of_one("F32", "[1]", "[0,4]"), 8), "do not fill");
  expect_corrupt(file_with(header_of_one("F32", "[1]", "[4,8]"), 8), "overlap or leave holes");
  expect_corrupt(file_with(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                           R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                           3),
                 "overlap or leave holes");
}

TEST(Safetensors, ShapesThatOverflowAreCorrupt) {
  expect_corrupt(file_with(header_of_one("F32", "[4611686018427387904,4]", "[0,0]"), 0), "too large");
  expect_corrupt(file_with(header_of_one("F32", "[-1]", "[0,4]"), 4), "not a count");
  expect_corrupt(file_with(header_of_one("F99", "[1]", "[0,4]"), 4), "unknown dtype");
}

TEST(Safetensors, DeepNestingIsCorrupt) {
  expect_corrupt(file_with(std::string(1 << 20, '['), 0), "not a safetensors header");
}

TEST(Safetensors, TooManyTensorsAndTooLargeHeadersAreRefused) {
  std::string header = "{";
  for (int i = 0; i < 20'001; ++i)
    header.append("\"").append(std::to_string(i)).append(R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)");
  header.back() = '}';
  expect_corrupt(file_with(header, 0), "more than 20000 tensors");
  header.append(4 << 20, ' ');
  expect_corrupt(file_with(header, 0), "larger than 4 MiB");
}

// Seeded, so a failure repeats. Whatever is flipped, the answer is weights within the file or CorruptFile.
TEST(Safetensors, FlippedBitsNeverLeaveTheFile) {
  std::mt19937 random(1);
  const std::string good = file_with(kGood, 12);
  for (int round = 0; round < 20000; ++round) {
    std::string file = good;
    for (unsigned int flips = 1 + random() % 3; flips > 0; --flips)
      file[random() % file.size()] ^= static_cast<char>(1 << random() % 8);
    const Result<Weights> weights = parse(file);
    if (!weights.ok()) {
      ASSERT_EQ(weights.error().code, ErrorCode::CorruptFile);
      continue;
    }
    size_t total = 0;
    for (const Tensor& tensor : weights->tensors) total += tensor.bytes.size();
    ASSERT_EQ(total, 12u);
  }
}

}  // namespace
}  // namespace resnetft
