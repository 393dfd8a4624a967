// SPDX-License-Identifier: MIT
// Folders of pictures: which files they hold, and which class each belongs to.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "resnetft/error.h"

namespace resnetft {

// By the ending alone, in any case: .jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp, as torchvision's ImageFolder.
bool has_image_ending(std::string_view path);

// The picture files in `folder` and below it, sorted by their bytes. Links are followed, each folder once; hidden
// files and folders (".name") are skipped. NotFound where there is no such folder or no picture in it, Io where one
// cannot be listed.
Result<std::vector<std::string>> list_images(const std::string& folder);

struct LabelledFile {
  std::string path;
  size_t class_id;  // into LabelledFolder::classes
};

// `classes` are the names of the folders in it, sorted; `files` go class by class, each sorted.
struct LabelledFolder {
  std::vector<std::string> classes;
  std::vector<LabelledFile> files;
};

// FOLDER/CLASS/.../picture, as torchvision's ImageFolder. A class without pictures stays in `classes`. NotFound where
// there is no such folder, no class folder or no picture at all; Io.
Result<LabelledFolder> list_labelled_images(const std::string& folder);

}  // namespace resnetft
