// SPDX-License-Identifier: MIT
#include "model/network.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/direct_network.h"

namespace resnetft {
namespace {

Network network_of(std::string_view architecture, int width, int height, int64_t classes = 10) {
  return build_network(*find_architecture(architecture), width, height, classes).value();
}

// Name -> shape of every trained tensor that the layers read.
std::map<std::string, std::vector<int64_t>> tensors_of(const Network& network) {
  std::map<std::string, std::vector<int64_t>> tensors;
  for (const Layer& layer : network.layers) {
    const int64_t out = layer.dst_extent.channels, in = layer.src_extent.channels;
    if (layer.kind == LayerKind::Linear) {
      tensors[layer.weights + ".weight"] = {out, in};
      tensors[layer.weights + ".bias"] = {out};
    } else if (layer.kind == LayerKind::Convolution) {
      tensors[layer.weights + ".weight"] = {out, in / layer.groups, layer.kernel, layer.kernel};
      tensors[layer.norm + ".weight"] = tensors[layer.norm + ".bias"] = {out};
    }
  }
  return tensors;
}

TEST(Network, ReadsEveryTensorOfEveryArchitectureInItsShape) {
  for (const Architecture& architecture : architectures()) {
    std::map<std::string, std::vector<int64_t>> expected;
    for (const ParameterSpec& spec : parameter_specs(architecture, 7)) expected[spec.name] = spec.shape;
    EXPECT_EQ(tensors_of(network_of(architecture.name, 64, 64, 7)), expected) << architecture.name;
  }
}

TEST(Network, EveryLayerFitsWhatItReads) {
  for (const Architecture& architecture : architectures()) {
    const Network network = network_of(architecture.name, 288, 161);
    std::vector<Extent> extents = {{3, 161, 288}};
    for (const Layer& layer : network.layers) {
      EXPECT_EQ(layer.src_extent, extents[static_cast<size_t>(layer.src)]) << architecture.name;
      if (layer.residual >= 0) {
        EXPECT_EQ(layer.dst_extent, extents[static_cast<size_t>(layer.residual)]) << architecture.name;
      }
      extents.push_back(layer.dst_extent);
    }
  }
}

TEST(Network, EndsAtTheSizesOfThePaper) {
  const auto before_the_mean = [](const Network& network) { return network.layers.end()[-2].src_extent; };
  EXPECT_EQ(before_the_mean(network_of("resnet50", 224, 224)), (Extent{2048, 7, 7}));
  EXPECT_EQ(before_the_mean(network_of("resnet18", 299, 299)), (Extent{512, 10, 10}));
  EXPECT_EQ(before_the_mean(network_of("resnet20", 32, 32)), (Extent{64, 8, 8}));
  EXPECT_EQ(before_the_mean(network_of("resnet34", 32, 32)), (Extent{512, 1, 1}));
}

TEST(Network, NothingReadsAResidualAfterItWasAddedTo) {
  for (const Architecture& architecture : architectures()) {
    const std::vector<Layer> layers = network_of(architecture.name, 64, 64).layers;
    for (size_t i = 0; i < layers.size(); ++i)
      for (size_t later = i + 1; later < layers.size() && layers[i].residual >= 0; ++later) {
        EXPECT_NE(layers[later].src, layers[i].residual) << architecture.name;
        EXPECT_NE(layers[later].residual, layers[i].residual) << architecture.name;
      }
  }
}

TEST(Network, FoldsBatchNormIntoWeightsAndBias) {
  Layer layer;
  layer.weights = "conv";
  layer.norm = "bn";
  layer.src_extent = {1, 4, 4};
  layer.dst_extent = {2, 4, 4};
  const float variance = 4.0f - 1e-5f;  // with epsilon 4: the root is 2
  const FloatWeights weights = {{"conv.weight", {{2, 1, 1, 1}, {3.0f, -5.0f}}},
                                {"bn.weight", {{2}, {4.0f, 1.0f}}},
                                {"bn.bias", {{2}, {0.5f, -1.0f}}},
                                {"bn.running_mean", {{2}, {1.0f, 2.0f}}},
                                {"bn.running_var", {{2}, {variance, variance}}}};
  const Result<LayerWeights> folded = layer_weights(layer, weights);
  ASSERT_TRUE(folded.ok());
  const std::vector<float> expected_weights = {6.0f, -2.5f}, expected_bias = {-1.5f, -2.0f};
  for (size_t c = 0; c < 2; ++c) {
    EXPECT_NEAR(folded->weights[c], expected_weights[c], 1e-6);
    EXPECT_NEAR(folded->bias[c], expected_bias[c], 1e-6);
  }
}

TEST(Network, AnOptionAShortcutAsAConvolutionCopiesExactly) {
  Layer layer;
  layer.kind = LayerKind::OptionAShortcut;
  layer.stride = 2;
  layer.src_extent = {4, 5, 3};
  layer.dst_extent = {8, 3, 2};
  testing::Values picture(testing::size_of(layer.src_extent));
  for (size_t i = 0; i < picture.size(); ++i) picture[i] = static_cast<double>(i) + 1;
  const Result<LayerWeights> weights = layer_weights(layer, {});
  ASSERT_TRUE(weights.ok());
  EXPECT_EQ(testing::direct_convolution(layer, picture, weights->weights), testing::direct_option_a(layer, picture));
}

TEST(Network, ATensorThatIsMissingOrOfAnotherShapeIsNamedWithBothShapes) {
  const Network network = network_of("resnet20", 32, 32);
  FloatWeights weights = testing::random_weights("resnet20", 10, 1);
  weights.find("bn1.running_var")->second = {{15}, std::vector<float>(15)};
  const Result<LayerWeights> misshapen = layer_weights(network.layers.front(), weights);
  ASSERT_FALSE(misshapen.ok());
  EXPECT_EQ(misshapen.error().code, ErrorCode::Incompatible);
  EXPECT_EQ(misshapen.error().message, "tensor 'bn1.running_var' is 15, the architecture needs 16");
  weights.erase("conv1.weight");
  const Result<LayerWeights> missing = layer_weights(network.layers.front(), weights);
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().message.find("'conv1.weight' (16x3x3x3)"), std::string::npos) << missing.error().message;
}

TEST(Network, SidesOutside32To16384AreRefused) {
  for (const auto& [width, height] : std::vector<std::pair<int, int>>{{31, 64}, {64, 31}, {-1, 64}, {64, 16385}}) {
    const Result<Network> network = build_network(*find_architecture("resnet18"), width, height, 10);
    ASSERT_FALSE(network.ok()) << width << "x" << height;
    EXPECT_EQ(network.error().code, ErrorCode::InvalidArgument);
    EXPECT_NE(network.error().message.find(std::to_string(width) + "x" + std::to_string(height)), std::string::npos);
  }
  EXPECT_FALSE(build_network(*find_architecture("resnet18"), 64, 64, 0).ok());
}

}  // namespace
}  // namespace resnetft
