// SPDX-License-Identifier: MIT
#include "data/image_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <set>
#include <utility>

namespace resnetft {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 9> kEndings = {".jpg", ".jpeg", ".png",  ".ppm", ".bmp",
                                                      ".pgm", ".tif",  ".tiff", ".webp"};
constexpr char kEndingsHint[] = "pictures end in .jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp";

using FolderKey = std::pair<dev_t, ino_t>;

struct Entries {
  std::vector<std::string> files;
  std::vector<std::string> folders;
};

Error listing_error(const std::string& folder, const std::error_code& reason) {
  const bool missing = reason == std::errc::no_such_file_or_directory || reason == std::errc::not_a_directory;
  return {missing ? ErrorCode::NotFound : ErrorCode::Io, "cannot list the folder '" + folder + "': " + reason.message(),
          "check the path and its permissions"};
}

// What is not hidden, sorted. A link counts as what it points to; one that points nowhere as a file, whose reader will
// say so.
Result<Entries> list_entries(const std::string& folder) {
  std::error_code reason;
  Entries entries;
  fs::directory_iterator iterator(folder, reason);
  for (; !reason && iterator != fs::directory_iterator(); iterator.increment(reason)) {
    const std::string name = iterator->path().filename().string();
    if (name.starts_with(".")) continue;
    std::error_code ignored;
    (iterator->is_directory(ignored) ? entries.folders : entries.files).push_back(iterator->path().string());
  }
  if (reason) return listing_error(folder, reason);
  std::ranges::sort(entries.files);
  std::ranges::sort(entries.folders);
  return entries;
}

// `seen` keeps a link to a folder above from going round for ever.
Status collect_images(const std::string& folder, std::set<FolderKey>& seen, std::vector<std::string>& images) {
  struct stat info;
  if (stat(folder.c_str(), &info) == 0 && !seen.emplace(info.st_dev, info.st_ino).second) return Status::success();
  const Result<Entries> entries = list_entries(folder);
  if (!entries) return entries.error();
  for (const std::string& file : entries->files)
    if (has_image_ending(file)) images.push_back(file);
  for (const std::string& inner : entries->folders)
    if (Status status = collect_images(inner, seen, images); !status) return status;
  return Status::success();
}

Result<std::vector<std::string>> sorted_images(const std::string& folder) {
  std::set<FolderKey> seen;
  std::vector<std::string> images;
  if (Status status = collect_images(folder, seen, images); !status) return status.error();
  std::ranges::sort(images);
  return images;
}

}  // namespace

bool has_image_ending(std::string_view path) {
  return std::ranges::any_of(kEndings, [&](std::string_view ending) {
    return path.size() >= ending.size() &&
           std::ranges::equal(path.substr(path.size() - ending.size()), ending,
                              [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; });
  });
}

Result<std::vector<std::string>> list_images(const std::string& folder) {
  Result<std::vector<std::string>> images = sorted_images(folder);
  if (images && images->empty())
    return Error{ErrorCode::NotFound, "there is no picture in the folder '" + folder + "'", kEndingsHint};
  return images;
}

Result<LabelledFolder> list_labelled_images(const std::string& folder) {
  const Result<Entries> entries = list_entries(folder);
  if (!entries) return entries.error();
  if (entries->folders.empty())
    return Error{ErrorCode::NotFound, "there is no class folder in '" + folder + "'",
                 "put the pictures of each class into a folder of its name"};
  LabelledFolder result;
  for (const std::string& class_folder : entries->folders) {
    const Result<std::vector<std::string>> images = sorted_images(class_folder);
    if (!images) return images.error();
    for (const std::string& image : *images) result.files.push_back({image, result.classes.size()});
    result.classes.push_back(fs::path(class_folder).filename().string());
  }
  if (result.files.empty())
    return Error{ErrorCode::NotFound, "there is no picture in the folders of '" + folder + "'", kEndingsHint};
  return result;
}

}  // namespace resnetft
