// SPDX-License-Identifier: MIT
// The published CIFAR nets, from their files to their logits, against what PyTorch gives for the same pictures
// (golden/make_goldens.py in the data folder). The weights and pictures are no part of this project: without the data
// folder there is nothing to test.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>

#include "infer/engine.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"

namespace resnetft {
namespace {

using Json = nlohmann::json;

// Unpacks the listed pictures of the archive into `folder`.
bool unpack(const std::string& archive, const Json& pictures, const testing::TemporaryFolder& folder) {
  std::string wanted;
  for (const Json& picture : pictures) wanted += picture.at("path").get<std::string>() + "\n";
  testing::write_text(folder.file("wanted"), wanted);
  const std::string command =
      "tar -C '" + folder.file(".") + "' -xzf '" + archive + "' -T '" + folder.file("wanted") + "'";
  return std::system(command.c_str()) == 0;
}

// [3, 32, 32], planes in the order RGB, normalised.
void fill(std::span<float> input, const cv::Mat& bgr, const Json& golden) {
  size_t next = 0;
  for (int c = 0; c < 3; ++c) {
    const float mean = golden.at("mean").at(static_cast<size_t>(c)), std = golden.at("std").at(static_cast<size_t>(c));
    for (int y = 0; y < 32; ++y)
      for (int x = 0; x < 32; ++x)
        input[next++] = (static_cast<float>(bgr.at<cv::Vec3b>(y, x)[2 - c]) / 255.0f - mean) / std;
  }
}

class PublishedCifarNet : public ::testing::TestWithParam<std::string> {};

TEST_P(PublishedCifarNet, GivesPyTorchsLogits) {
  RESNETFT_SHARED_DATA(golden_file, "golden/cifar_" + GetParam() + ".json");
  RESNETFT_SHARED_DATA(archive, "cifar10-images.tar.gz");
  const Json golden = Json::parse(std::ifstream(golden_file));
  RESNETFT_SHARED_DATA(weights, "weights/" + golden.at("weights").get<std::string>());
  const testing::TemporaryFolder folder;
  ASSERT_TRUE(unpack(archive, golden.at("first"), folder));
  const auto model = load_model(weights);
  ASSERT_TRUE(model.ok()) << to_string(model.error());
  const auto engine = create_engine("reference", **model, {.width = 32, .height = 32});
  ASSERT_TRUE(engine.ok()) << to_string(engine.error());
  const std::unique_ptr<Session> session = (*engine)->create_session().value();
  ASSERT_EQ(golden.at("first").size(), 16u);
  for (const Json& picture : golden.at("first")) {
    const std::string path = picture.at("path");
    const cv::Mat bgr = cv::imread(folder.file(path), cv::IMREAD_COLOR);
    ASSERT_FALSE(bgr.empty()) << path;
    fill(session->input(0), bgr, golden);
    ASSERT_TRUE(session->run(1).ok());
    ASSERT_EQ(session->logits(0).size(), picture.at("logits").size());
    for (size_t c = 0; c < picture.at("logits").size(); ++c)
      EXPECT_NEAR(session->logits(0)[c], picture.at("logits").at(c).get<float>(), 1e-3) << path << " class " << c;
  }
}

INSTANTIATE_TEST_SUITE_P(Zoo, PublishedCifarNet, ::testing::Values("resnet20", "resnet56"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace resnetft
