// SPDX-License-Identifier: MIT
// What is known of weight files that others publish and that carry neither labels nor preprocessing.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "resnetft/preprocess.h"

namespace resnetft {

// One published file. Its name ends in the first eight digits of its SHA-256, by which it is recognised under any name.
struct PublishedFile {
  std::string_view stem;    // "resnet18-f37072fd"
  std::string_view ending;  // ".pth"
  int resize;               // shortest side; 0: as it is
  int crop;
  std::span<const std::string_view> (*labels)();
  std::string_view publisher;  // where it is offered, as text
  std::string_view sha256_prefix() const { return stem.substr(stem.rfind('-') + 1); }
  std::string file_name() const { return std::string(stem) + std::string(ending); }
};

std::span<const std::string_view> imagenet_labels();
std::span<const std::string_view> cifar10_labels();

// By the SHA-256 of the content, or by the file's name (with or without the hash: "resnet18-f37072fd.pth",
// "resnet18.pth"); null: not a published one.
const PublishedFile* find_published_by_sha256(std::string_view sha256);
const PublishedFile* find_published_by_name(std::string_view file_name);

PreprocessSpec preprocess_of(const PublishedFile& file);

}  // namespace resnetft
