// SPDX-License-Identifier: MIT
// The expected logits are torchvision's, from data/zoo_logits.json (made by data/make_goldens.py).
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "model/normalization.h"
#include "model/torch/resnet_weights.h"

namespace resnetft {
namespace {

using Json = nlohmann::json;

ResNet make_net(std::string_view name, int64_t classes, Normalization normalization = Normalization::Batch) {
  ResNet net(*find_architecture(name), classes, normalization);
  net.eval();
  return net;
}

ResNet make_drawn_net(std::string_view name, int64_t classes, Normalization normalization = Normalization::Batch) {
  at::manual_seed(0);
  ResNet net = make_net(name, classes, normalization);
  net.draw_initial_weights();
  return net;
}

double largest(const at::Tensor& tensor) { return tensor.abs().max().item<double>(); }

std::vector<int64_t> shape_of(const at::Tensor& tensor) { return tensor.sizes().vec(); }

class TorchvisionNet : public testing::TestWithParam<std::string> {};

TEST_P(TorchvisionNet, FromSeedZeroGivesTorchvisionsLogitsAndParameterCount) {
  const Json golden = Json::parse(std::ifstream(RESNETFT_TEST_DATA "/zoo_logits.json")).at("models").at(GetParam());
  const c10::InferenceMode inference;
  const ResNet net = make_drawn_net(GetParam(), 50);
  const at::Tensor pictures = at::rand({1, 3, 224, 224});
  int64_t parameters = 0;
  for (const at::Tensor& parameter : net.parameters()) parameters += parameter.numel();
  EXPECT_EQ(parameters, golden.at("parameters").get<int64_t>());
  ASSERT_EQ(pictures.flatten()[4].item<float>(), golden.at("input_first5").at(4).get<float>());

  const at::Tensor logits = net.forward(pictures).to(at::kDouble).contiguous();
  const std::vector<double> expected = golden.at("logits");
  ASSERT_EQ(shape_of(logits), (std::vector<int64_t>{1, static_cast<int64_t>(expected.size())}));
  double worst = 0, scale = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::abs(logits.const_data_ptr<double>()[i] - expected[i]));
    scale = std::max(scale, std::abs(expected[i]));
  }
  // Other processors sum in another order; anything wrong in a net shows in the first digit.
  EXPECT_LE(worst, 1e-3 * scale);
  RecordProperty("difference_in_millionths", static_cast<int>(worst / scale * 1e6));
}

INSTANTIATE_TEST_SUITE_P(Zoo, TorchvisionNet,
                         testing::Values("resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
                                         "resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2",
                                         "wide_resnet101_2"),
                         [](const auto& test) { return test.param; });

TEST(Zoo, ParametersStandInTheOrderAndShapeOfTheTable) {
  for (const Architecture& architecture : architectures()) {
    for (const Normalization normalization : {Normalization::Frozen, Normalization::Group}) {
      const ResNet net(architecture, 7, normalization);
      const std::vector<ParameterSpec> specs = parameter_specs(architecture, 7);
      const auto parameters = net.named_parameters();
      ASSERT_EQ(parameters.size(), specs.size()) << architecture.name;
      for (size_t i = 0; i < specs.size(); ++i) {
        EXPECT_EQ(parameters[i].key(), specs[i].name) << architecture.name;
        EXPECT_EQ(shape_of(parameters[i].value()), specs[i].shape) << architecture.name << " " << specs[i].name;
      }
    }
  }
}

TEST(Zoo, EveryPictureSizeFrom32UpAndEveryClassCountFits) {
  const c10::InferenceMode inference;
  for (const std::string_view name : {"resnet18", "resnet50", "resnet20"}) {
    for (const int64_t classes : {1, 1000}) {
      const ResNet net = make_drawn_net(name, classes);
      for (const auto& [height, width] : {std::pair{32, 32}, {33, 47}, {160, 288}, {299, 299}}) {
        const at::Tensor features = net.features(at::rand({2, 3, height, width}));
        const int64_t channels = name == "resnet18" ? 512 : name == "resnet50" ? 2048 : 64;
        EXPECT_EQ(shape_of(features), (std::vector<int64_t>{2, channels})) << name << " " << height << "x" << width;
        const at::Tensor logits = net.logits(features);
        EXPECT_EQ(shape_of(logits), (std::vector<int64_t>{2, classes}));
        EXPECT_TRUE(at::isfinite(logits).all().item<bool>());
      }
    }
  }
}

TEST(Zoo, CifarShortcutTakesEverySecondPixelBetweenChannelsOfZeros) {
  // With every weight of the residual branches 0, a block is its shortcut: the features are those of the stem.
  const c10::InferenceMode inference;
  const ResNet net = make_drawn_net("resnet20", 3);
  for (const auto& item : net.named_parameters())
    if (item.key().starts_with("layer") && item.key().find(".bn2.") != std::string::npos) item.value().zero_();
  const at::Tensor pictures = at::rand({1, 3, 40, 36});
  const at::Tensor stem =
      at::conv2d(pictures, net.named_parameters()["conv1.weight"], {}, at::IntArrayRef{1, 1}, at::IntArrayRef{1, 1})
          .div(std::sqrt(1.0 + kNormalizationEpsilon))
          .relu();
  const at::Tensor sampled = stem.slice(2, 0, std::nullopt, 4).slice(3, 0, std::nullopt, 4).mean({2, 3});
  const at::Tensor features = net.features(pictures);
  EXPECT_LE(largest(features.slice(1, 24, 40) - sampled), 1e-6);  // 8 of 32, then 16 of 64 on each side
  EXPECT_EQ(largest(features.slice(1, 0, 24)), 0.0);
  EXPECT_EQ(largest(features.slice(1, 40, 64)), 0.0);
}

TEST(Zoo, OnlyBatchNormalisationLearnsStatisticsAndOnlyInTraining) {
  for (const auto& [normalization, learns] : {std::pair{Normalization::Batch, true}, {Normalization::Frozen, false}}) {
    ResNet net = make_drawn_net("resnet20", 3, normalization);
    const at::NoGradGuard no_grad;
    const at::Tensor pictures = at::rand({2, 3, 32, 32});
    net.forward(pictures);
    EXPECT_EQ(largest(net.named_buffers()["bn1.running_mean"]), 0.0);
    net.train();
    net.forward(pictures);
    EXPECT_EQ(largest(net.named_buffers()["bn1.running_mean"]) > 0, learns);
  }
}

TEST(Zoo, LayerAndGroupNormalisationKeepNoStatisticsAndSeeOnePictureAtATime) {
  const c10::InferenceMode inference;
  for (const Normalization normalization : {Normalization::Layer, Normalization::Group}) {
    ResNet net = make_drawn_net("resnet20", 3, normalization);
    net.train();
    EXPECT_TRUE(net.named_buffers().is_empty());
    const at::Tensor pictures = at::rand({3, 3, 32, 32});
    const at::Tensor alone = net.forward(pictures.slice(0, 1, 2));
    EXPECT_LE(largest(net.forward(pictures).slice(0, 1, 2) - alone), 1e-5 * largest(alone));
  }
}

TEST(Zoo, ConvertedNetAgreesWithBatchNormalisationWhereTheStatisticsAreTrue) {
  // One picture's own statistics in every channel: then a group has exactly the moments that the formula computes.
  const c10::InferenceMode inference;
  ResNet batch = make_drawn_net("resnet20", 3);
  const at::Tensor pictures = at::rand({1, 3, 64, 64});
  batch.train();
  for (int i = 0; i < 200; ++i) batch.forward(pictures);
  batch.eval();
  for (const Normalization to : {Normalization::Layer, Normalization::Group}) {
    const Result<FloatWeights> weights = convert_normalization(extract_weights(batch), Normalization::Batch, to);
    ASSERT_TRUE(weights.ok()) << to_string(weights.error());
    ResNet converted = make_net("resnet20", 3, to);
    const Status loaded = load_weights(converted, *weights);
    ASSERT_TRUE(loaded.ok()) << to_string(loaded.error());
    const at::Tensor expected = batch.forward(pictures);
    // Running variances are unbiased, n / (n - 1) with n = 256 in the last stage: 0.4 % a layer at most.
    EXPECT_LE(largest(converted.forward(pictures) - expected), 0.02 * largest(expected));
  }
}

TEST(ModuleWeights, ExtractedWeightsLoadedIntoAnotherNetGiveTheSameBits) {
  const c10::InferenceMode inference;
  const ResNet source = make_drawn_net("resnet18", 5);
  ResNet copy = make_net("resnet18", 5);
  const Status loaded = load_weights(copy, extract_weights(source));
  ASSERT_TRUE(loaded.ok()) << to_string(loaded.error());
  const at::Tensor pictures = at::rand({1, 3, 64, 64});
  EXPECT_TRUE(at::equal(source.forward(pictures), copy.forward(pictures)));
}

TEST(ModuleWeights, AMisfitIsNamedWithBothShapes) {
  ResNet net = make_net("resnet20", 5);
  const FloatWeights good = extract_weights(net);
  const auto message_of = [&](const FloatWeights& weights) {
    const Status status = load_weights(net, weights);
    EXPECT_FALSE(status.ok());
    if (status.ok()) return std::string();
    EXPECT_EQ(status.error().code, ErrorCode::Incompatible);
    return status.error().message;
  };
  FloatWeights weights = good;
  weights["linear.weight"] = {{3, 64}, std::vector<float>(192)};
  EXPECT_EQ(message_of(weights), "weights: 'linear.weight' is 3x64, the network has 5x64");
  weights = good;
  weights.erase("layer3.2.bn2.running_var");
  EXPECT_EQ(message_of(weights), "weights: there is no 'layer3.2.bn2.running_var'");
  weights = good;
  weights["fc.bias"] = {{5}, std::vector<float>(5)};
  EXPECT_EQ(message_of(weights), "weights: the network has no 'fc.bias'");
}

}  // namespace
}  // namespace resnetft
