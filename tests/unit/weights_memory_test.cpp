// SPDX-License-Identifier: MIT
// How much memory weight files cost, honest and hostile. A program of its own: the kernel only keeps the process's
// peak.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "model/weights.h"
#include "resnetft/model.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"
#include "tests/support/zip_builder.h"

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

namespace resnetft {
namespace {

using testing::TemporaryFolder;

size_t status_bytes(std::string_view field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(field)) return std::stoul(line.substr(line.find_first_of("0123456789"))) * 1024;
  return 0;
}

// Resident bytes that `run` added at its highest point; writing 5 makes the kernel forget earlier peaks.
template <class Run>
size_t peak_of(Run run) {
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << 5;
  const size_t before = status_bytes("VmRSS");
  run();
  const size_t peak = status_bytes("VmHWM");
  return peak > before ? peak - before : 0;
}

// The file is mapped and each tensor converted from it: two copies of the weights at most.
TEST(WeightsMemory, LoadingCostsTheFileAndTheFloats) {
  if (kSanitized) GTEST_SKIP() << "not tested: AddressSanitizer has memory of its own";
  const TemporaryFolder folder;
  for (const char* name : {"m.pth", "m.safetensors"}) {
    {
      ModelCard card;
      card.architecture = "resnet50";
      const auto model = Model::create(card, testing::random_weights("resnet50", 1000, 1));
      ASSERT_TRUE(model.ok());
      const size_t saving = peak_of([&] { ASSERT_TRUE(save_model(**model, folder.file(name)).ok()); });
      EXPECT_LT(saving, size_t{8} << 20) << name;
    }
    const size_t size = std::filesystem::file_size(folder.file(name));
    ASSERT_GT(size, size_t{90} << 20);
    const size_t loading = peak_of([&] { ASSERT_TRUE(load_model(folder.file(name)).ok()); });
    EXPECT_LT(loading, 2 * size + (size_t{16} << 20)) << name;
    std::printf("%s: %zu MiB, loading takes %zu MiB\n", name, size >> 20, loading >> 20);
  }
}

void expect_bounded(const std::string& what, const std::string& file) {
  const size_t peak = peak_of([&] {
    const Result<Weights> weights = parse_weights(std::as_bytes(std::span(file)), what);
    ASSERT_FALSE(weights.ok()) << what;
    EXPECT_EQ(weights.error().code, ErrorCode::CorruptFile) << what;
  });
  EXPECT_LT(peak, file.size() + (size_t{200} << 20)) << what;
  std::printf("%s: %zu MiB, takes %zu MiB\n", what.c_str(), file.size() >> 20, peak >> 20);
}

std::string zip_with_pickle(const std::string& pickle) { return testing::build_zip({{"x/data.pkl", pickle}}); }

std::string safetensors_with(std::string header) {
  std::string file;
  testing::put(file, header.size(), 8);
  return file + header;
}

TEST(WeightsMemory, HostileFilesCostNoMoreThanTheirSizeAndABound) {
  if (kSanitized) GTEST_SKIP() << "not tested: AddressSanitizer has memory of its own";
  const size_t kMany = 64 << 20;
  expect_bounded("values in a pickle", zip_with_pickle(std::string(kMany, 'N')));
  expect_bounded("lists in a pickle", zip_with_pickle(std::string(kMany, ']')));
  std::string kept = "N";
  for (size_t i = 0; i < kMany / 5; ++i) kept += 'r', testing::put(kept, i, 4);
  expect_bounded("memo of a pickle", zip_with_pickle(kept));

  std::vector<testing::ZipMember> members;
  for (int i = 0; i < 60'000; ++i) members.push_back({std::to_string(i) + std::string(200, 'n'), ""});
  expect_bounded("entries in a zip", testing::build_zip(members));

  std::string tensors = "{";
  for (int i = 0; tensors.size() < (3u << 20); ++i)
    tensors += '"' + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)";
  tensors.back() = '}';
  expect_bounded("tensors in a safetensors header", safetensors_with(tensors));
  std::string numbers = R"({"a":{"dtype":"U8","data_offsets":[0,0],"shape":[1)";
  while (numbers.size() < (3u << 20)) numbers += ",1";
  expect_bounded("numbers in a safetensors header", safetensors_with(numbers + "]}}"));
  std::string objects = R"({"a":{"b":[{})";
  while (objects.size() < (3u << 20)) objects += ",{}";
  expect_bounded("objects in a safetensors header", safetensors_with(objects + "]}}"));
}

}  // namespace
}  // namespace resnetft
