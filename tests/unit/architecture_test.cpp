// SPDX-License-Identifier: MIT
// The parameter counts are torchvision's, from data/zoo_logits.json (made by data/make_goldens.py), and for the CIFAR
// family those of He 2016a, table 6.
#include "model/architecture.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

namespace resnetft {
namespace {

TEST(Architecture, ParameterCountsOfTheTenTorchvisionNetsAreExact) {
  const auto golden = nlohmann::json::parse(std::ifstream(RESNETFT_TEST_DATA "/zoo_logits.json")).at("models");
  ASSERT_EQ(golden.size(), 10u);
  for (const auto& [name, expected] : golden.items()) {
    const Result<Architecture> architecture = find_architecture(name);
    ASSERT_TRUE(architecture.ok()) << name;
    EXPECT_EQ(parameter_count(*architecture, 50), expected.at("parameters").get<int64_t>()) << name;
  }
}

TEST(Architecture, CifarNetsHaveTheMillionsOfParametersOfThePaper) {
  const std::map<std::string, double> millions = {
      {"resnet20", 0.27}, {"resnet32", 0.46}, {"resnet44", 0.66}, {"resnet56", 0.85}, {"resnet110", 1.7}};
  for (const auto& [name, expected] : millions) {
    const Result<Architecture> architecture = find_architecture(name);
    ASSERT_TRUE(architecture.ok()) << name;
    EXPECT_NEAR(static_cast<double>(parameter_count(*architecture, 10)) / 1e6, expected, expected < 1 ? 0.01 : 0.05)
        << name;
  }
}

TEST(Architecture, TensorsAreNamedAsInTorchvision) {
  const std::vector<ParameterSpec> specs = parameter_specs(*find_architecture("resnext50_32x4d"), 3);
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const ParameterSpec& spec : specs) shapes[spec.name] = spec.shape;
  EXPECT_EQ(shapes.size(), specs.size());
  EXPECT_EQ(shapes.at("layer1.0.conv2.weight"), (std::vector<int64_t>{128, 4, 3, 3}));
  EXPECT_EQ(shapes.at("layer1.0.downsample.0.weight"), (std::vector<int64_t>{256, 64, 1, 1}));
  EXPECT_EQ(shapes.at("fc.weight"), (std::vector<int64_t>{3, 2048}));
}

TEST(Architecture, AnUnknownNameIsAnsweredWithTheList) {
  const Result<Architecture> unknown = find_architecture("resnet19");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, ErrorCode::InvalidArgument);
  EXPECT_NE(unknown.error().message.find("resnet19"), std::string::npos);
  for (const Architecture& architecture : architectures())
    EXPECT_NE(unknown.error().hint.find(architecture.name), std::string::npos);
}

}  // namespace
}  // namespace resnetft
