// SPDX-License-Identifier: MIT
#include "model/architecture.h"

namespace resnetft {
namespace {

constexpr std::array kZoo = {
    Architecture{"resnet18", BlockKind::Basic, {2, 2, 2, 2}},
    Architecture{"resnet34", BlockKind::Basic, {3, 4, 6, 3}},
    Architecture{"resnet50", BlockKind::Bottleneck, {3, 4, 6, 3}},
    Architecture{"resnet101", BlockKind::Bottleneck, {3, 4, 23, 3}},
    Architecture{"resnet152", BlockKind::Bottleneck, {3, 8, 36, 3}},
    Architecture{"resnext50_32x4d", BlockKind::Bottleneck, {3, 4, 6, 3}, 32, 4},
    Architecture{"resnext101_32x8d", BlockKind::Bottleneck, {3, 4, 23, 3}, 32, 8},
    Architecture{"resnext101_64x4d", BlockKind::Bottleneck, {3, 4, 23, 3}, 64, 4},
    Architecture{"wide_resnet50_2", BlockKind::Bottleneck, {3, 4, 6, 3}, 1, 128},
    Architecture{"wide_resnet101_2", BlockKind::Bottleneck, {3, 4, 23, 3}, 1, 128},
    Architecture{"resnet20", BlockKind::Cifar, {3, 3, 3, 0}},
    Architecture{"resnet32", BlockKind::Cifar, {5, 5, 5, 0}},
    Architecture{"resnet44", BlockKind::Cifar, {7, 7, 7, 0}},
    Architecture{"resnet56", BlockKind::Cifar, {9, 9, 9, 0}},
    Architecture{"resnet110", BlockKind::Cifar, {18, 18, 18, 0}},
};

class SpecList {
 public:
  void convolution(const std::string& name, int64_t out, int64_t in, int64_t kernel, int64_t groups = 1) {
    specs.push_back({name + ".weight", {out, in / groups, kernel, kernel}});
  }
  void normalization(const std::string& name, int64_t channels) {
    specs.push_back({name + ".weight", {channels}});
    specs.push_back({name + ".bias", {channels}});
  }
  void linear(const std::string& name, int64_t out, int64_t in) {
    specs.push_back({name + ".weight", {out, in}});
    specs.push_back({name + ".bias", {out}});
  }
  std::vector<ParameterSpec> specs;
};

void add_two_convolution_block(SpecList& list, const std::string& name, int64_t in, int64_t planes) {
  list.convolution(name + ".conv1", planes, in, 3);
  list.normalization(name + ".bn1", planes);
  list.convolution(name + ".conv2", planes, planes, 3);
  list.normalization(name + ".bn2", planes);
}

void add_bottleneck(SpecList& list, const Architecture& arch, const std::string& name, int64_t in, int64_t planes) {
  const int64_t width = planes * arch.width_per_group / 64 * arch.groups;
  list.convolution(name + ".conv1", width, in, 1);
  list.normalization(name + ".bn1", width);
  list.convolution(name + ".conv2", width, width, 3, arch.groups);
  list.normalization(name + ".bn2", width);
  list.convolution(name + ".conv3", planes * 4, width, 1);
  list.normalization(name + ".bn3", planes * 4);
}

void add_downsample(SpecList& list, const std::string& name, int64_t in, int64_t out) {
  list.convolution(name + ".downsample.0", out, in, 1);
  list.normalization(name + ".downsample.1", out);
}

}  // namespace

std::span<const Architecture> architectures() { return kZoo; }

Result<Architecture> find_architecture(std::string_view name) {
  std::string possible;
  for (const Architecture& architecture : kZoo) {
    if (architecture.name == name) return architecture;
    possible += (possible.empty() ? "" : ", ") + std::string(architecture.name);
  }
  return Error{ErrorCode::InvalidArgument, "unknown architecture '" + std::string(name) + "'",
               "possible are: " + possible};
}

std::vector<ParameterSpec> parameter_specs(const Architecture& architecture, int64_t num_classes) {
  const bool cifar = architecture.block == BlockKind::Cifar;
  const int64_t expansion = architecture.block == BlockKind::Bottleneck ? 4 : 1;
  const int64_t base = cifar ? 16 : 64;
  SpecList list;
  list.convolution("conv1", base, 3, cifar ? 3 : 7);
  list.normalization("bn1", base);
  int64_t channels = base;
  for (size_t stage = 0; stage < architecture.depths.size(); ++stage) {
    const int64_t planes = base << stage;
    for (int block = 0; block < architecture.depths[stage]; ++block) {
      const std::string name = "layer" + std::to_string(stage + 1) + "." + std::to_string(block);
      if (architecture.block == BlockKind::Bottleneck)
        add_bottleneck(list, architecture, name, channels, planes);
      else
        add_two_convolution_block(list, name, channels, planes);
      if (!cifar && block == 0 && channels != planes * expansion)
        add_downsample(list, name, channels, planes * expansion);
      channels = planes * expansion;
    }
  }
  list.linear(cifar ? "linear" : "fc", num_classes, channels);
  return std::move(list.specs);
}

int64_t parameter_count(const Architecture& architecture, int64_t num_classes) {
  int64_t count = 0;
  for (const ParameterSpec& spec : parameter_specs(architecture, num_classes)) {
    int64_t size = 1;
    for (const int64_t extent : spec.shape) size *= extent;
    count += size;
  }
  return count;
}

}  // namespace resnetft
