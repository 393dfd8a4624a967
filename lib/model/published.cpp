// SPDX-License-Identifier: MIT
#include "model/published.h"

#include <algorithm>

namespace resnetft {
namespace {

constexpr std::string_view kTorchvision = "PyTorch's model downloads (torchvision.models, download.pytorch.org/models)";
constexpr std::string_view kAkamaster = "GitHub akamaster/pytorch_resnet_cifar10, folder pretrained_models";

constexpr std::array<std::string_view, 10> kCifar10 = {"airplane", "automobile", "bird",  "cat",  "deer",
                                                       "dog",      "frog",       "horse", "ship", "truck"};

// torchvision's first weights were resized to 256, its second (and the only ones of resnext101_64x4d) to 232.
constexpr std::array kFiles = {
    PublishedFile{"resnet18-f37072fd", ".pth", 256, 224, imagenet_labels, kTorchvision},
    PublishedFile{"resnet34-b627a593", ".pth", 256, 224, imagenet_labels, kTorchvision},
    PublishedFile{"resnet50-0676ba61", ".pth", 256, 224, imagenet_labels, kTorchvision},
    PublishedFile{"resnet50-11ad3fa6", ".pth", 232, 224, imagenet_labels, kTorchvision},
    PublishedFile{"resnet101-63fe2227", ".pth", 256, 224, imagenet_labels, kTorchvision},
    PublishedFile{"resnet101-cd907fc2", ".pth", 232, 224, imagenet_labels, kTorchvision},
    PublishedFile{"resnet152-394f9c45", ".pth", 256, 224, imagenet_labels, kTorchvision},
    PublishedFile{"resnet152-f82ba261", ".pth", 232, 224, imagenet_labels, kTorchvision},
    PublishedFile{"resnext50_32x4d-7cdf4587", ".pth", 256, 224, imagenet_labels, kTorchvision},
    PublishedFile{"resnext50_32x4d-1a0047aa", ".pth", 232, 224, imagenet_labels, kTorchvision},
    PublishedFile{"resnext101_32x8d-8ba56ff5", ".pth", 256, 224, imagenet_labels, kTorchvision},
    PublishedFile{"resnext101_32x8d-110c445d", ".pth", 232, 224, imagenet_labels, kTorchvision},
    PublishedFile{"resnext101_64x4d-173b62eb", ".pth", 232, 224, imagenet_labels, kTorchvision},
    PublishedFile{"wide_resnet50_2-95faca4d", ".pth", 256, 224, imagenet_labels, kTorchvision},
    PublishedFile{"wide_resnet50_2-9ba9bcbe", ".pth", 232, 224, imagenet_labels, kTorchvision},
    PublishedFile{"wide_resnet101_2-32ee1156", ".pth", 256, 224, imagenet_labels, kTorchvision},
    PublishedFile{"wide_resnet101_2-d733dc28", ".pth", 232, 224, imagenet_labels, kTorchvision},
    // The same weights as they were offered until torchvision 0.11, as legacy pickles.
    PublishedFile{"resnet18-5c106cde", ".pth", 256, 224, imagenet_labels, kTorchvision},
    PublishedFile{"resnet34-333f7ec4", ".pth", 256, 224, imagenet_labels, kTorchvision},
    PublishedFile{"resnet50-19c8e357", ".pth", 256, 224, imagenet_labels, kTorchvision},
    PublishedFile{"resnet101-5d3b4d8f", ".pth", 256, 224, imagenet_labels, kTorchvision},
    PublishedFile{"resnet152-b121ed2d", ".pth", 256, 224, imagenet_labels, kTorchvision},
    PublishedFile{"resnet20-12fca82f", ".th", 32, 32, cifar10_labels, kAkamaster},
    PublishedFile{"resnet32-d509ac18", ".th", 32, 32, cifar10_labels, kAkamaster},
    PublishedFile{"resnet44-014dd654", ".th", 32, 32, cifar10_labels, kAkamaster},
    PublishedFile{"resnet56-4bfd9763", ".th", 32, 32, cifar10_labels, kAkamaster},
    PublishedFile{"resnet110-1d1ed7c2", ".th", 32, 32, cifar10_labels, kAkamaster},
};

const PublishedFile* find(auto matches) {
  const auto found = std::ranges::find_if(kFiles, matches);
  return found == kFiles.end() ? nullptr : &*found;
}

}  // namespace

std::span<const std::string_view> cifar10_labels() { return kCifar10; }

const PublishedFile* find_published_by_sha256(std::string_view sha256) {
  return find([&](const PublishedFile& file) { return sha256.starts_with(file.sha256_prefix()); });
}

const PublishedFile* find_published_by_name(std::string_view file_name) {
  return find([&](const PublishedFile& file) {
    const std::string_view architecture = file.stem.substr(0, file.stem.rfind('-'));
    return file_name == file.file_name() || file_name == std::string(architecture) + std::string(file.ending);
  });
}

PreprocessSpec preprocess_of(const PublishedFile& file) {
  PreprocessSpec spec;
  spec.resize = file.resize;
  spec.crop_width = spec.crop_height = file.crop;
  return spec;
}

}  // namespace resnetft
