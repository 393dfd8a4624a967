// SPDX-License-Identifier: MIT
#include "data/dataset.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <map>
#include <system_error>

#include "base/hash.h"
#include "base/mapped_file.h"
#include "data/hash_once.h"
#include "data/image_folder.h"

namespace resnetft {
namespace {

namespace fs = std::filesystem;

// What is hashed: each part with its length in front, so that no two lists look the same.
class Manifest {
 public:
  void add(std::string_view text) { text_.append(std::to_string(text.size())).append(":").append(text); }
  void add(uint64_t number) { add(std::to_string(number)); }
  void add(const std::vector<std::string>& classes) {
    add(classes.size());
    for (const std::string& name : classes) add(name);
  }
  std::string hash() const { return sha256_hex(std::as_bytes(std::span(text_))); }

 private:
  std::string text_;
};

// Files of other formats, of one width and height, are all of one size.
bool is_compressed(std::string_view path) {
  constexpr std::array<std::string_view, 4> kEndings = {".jpg", ".jpeg", ".png", ".webp"};
  std::string ending = fs::path(path).extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::find(kEndings, ending) != kEndings.end();
}

// Empty where it cannot be read.
std::string content_hash(const std::string& path) {
  const Result<std::shared_ptr<const MappedFile>> file = MappedFile::open(path);
  return file ? sha256_hex((*file)->bytes()) : std::string();
}

class ImageFolder : public Dataset {
 public:
  ImageFolder(std::string folder, LabelledFolder content) : folder_(std::move(folder)), content_(std::move(content)) {}

  size_t size() const override { return content_.files.size(); }
  Result<DecodedImage> get(size_t index, const ReduceBy& reduce_by) const override {
    return read_image_file(content_.files[index].path, reduce_by);
  }
  size_t class_id(size_t index) const override { return content_.files[index].class_id; }
  std::string name(size_t index) const override { return content_.files[index].path; }
  const std::vector<std::string>& classes() const override { return content_.classes; }

  std::string manifest_hash() const override {
    return hash_.of([this] { return hash_of_files(); });
  }

 private:
  // Names below the folder: the same data elsewhere has the same hash. Compressed pictures of one size are the same.
  std::string hash_of_files() const {
    Manifest manifest;
    manifest.add("folder");
    manifest.add(content_.classes);
    for (const LabelledFile& file : content_.files) {
      std::error_code reason;
      const uintmax_t bytes = fs::file_size(file.path, reason);
      manifest.add(fs::path(file.path).lexically_relative(folder_).native());
      manifest.add(reason ? 0 : bytes);
      if (!is_compressed(file.path)) manifest.add(content_hash(file.path));
    }
    return manifest.hash();
  }

  std::string folder_;
  LabelledFolder content_;
  HashOnce hash_;
};

class Pictures : public Dataset {
 public:
  Pictures(std::vector<LabelledPicture> pictures, std::vector<std::string> classes)
      : pictures_(std::move(pictures)), classes_(std::move(classes)) {}

  size_t size() const override { return pictures_.size(); }
  Result<DecodedImage> get(size_t index, const ReduceBy&) const override { return pictures_[index].image; }
  size_t class_id(size_t index) const override { return pictures_[index].class_id; }
  std::string name(size_t index) const override { return pictures_[index].name; }
  const std::vector<std::string>& classes() const override { return classes_; }

  std::string manifest_hash() const override {
    Manifest manifest;
    manifest.add("pictures");
    manifest.add(classes_);
    for (const LabelledPicture& picture : pictures_) {
      manifest.add(picture.name);
      manifest.add(picture.class_id);
      manifest.add(static_cast<uint64_t>(picture.image.view.width));
      manifest.add(static_cast<uint64_t>(picture.image.view.height));
    }
    return manifest.hash();
  }

 private:
  std::vector<LabelledPicture> pictures_;
  std::vector<std::string> classes_;
};

class Subset : public Dataset {
 public:
  Subset(DatasetPtr base, std::vector<size_t> indexes) : base_(std::move(base)), indexes_(std::move(indexes)) {}

  size_t size() const override { return indexes_.size(); }
  Result<DecodedImage> get(size_t index, const ReduceBy& reduce_by) const override {
    return base_->get(indexes_[index], reduce_by);
  }
  size_t class_id(size_t index) const override { return base_->class_id(indexes_[index]); }
  std::string name(size_t index) const override { return base_->name(indexes_[index]); }
  const std::vector<std::string>& classes() const override { return base_->classes(); }

  std::string manifest_hash() const override {
    Manifest manifest;
    manifest.add("subset");
    manifest.add(base_->manifest_hash());
    for (const size_t index : indexes_) manifest.add(index);
    return manifest.hash();
  }

 private:
  DatasetPtr base_;
  std::vector<size_t> indexes_;
};

class Relabelled : public Dataset {
 public:
  Relabelled(DatasetPtr base, std::vector<size_t> class_ids, std::vector<std::string> classes)
      : base_(std::move(base)), class_ids_(std::move(class_ids)), classes_(std::move(classes)) {}

  size_t size() const override { return base_->size(); }
  Result<DecodedImage> get(size_t index, const ReduceBy& reduce_by) const override {
    return base_->get(index, reduce_by);
  }
  size_t class_id(size_t index) const override { return class_ids_[base_->class_id(index)]; }
  std::string name(size_t index) const override { return base_->name(index); }
  const std::vector<std::string>& classes() const override { return classes_; }

  std::string manifest_hash() const override {
    Manifest manifest;
    manifest.add("classes");
    manifest.add(classes_);
    manifest.add(base_->manifest_hash());
    return manifest.hash();
  }

 private:
  DatasetPtr base_;
  std::vector<size_t> class_ids_;  // of base_ -> into classes_
  std::vector<std::string> classes_;
};

}  // namespace

std::vector<size_t> class_ids_of(const Dataset& data) {
  std::vector<size_t> class_ids(data.size());
  for (size_t i = 0; i < data.size(); ++i) class_ids[i] = data.class_id(i);
  return class_ids;
}

std::vector<size_t> class_counts_of(const Dataset& data) {
  std::vector<size_t> counts(data.classes().size());
  for (size_t i = 0; i < data.size(); ++i) ++counts[data.class_id(i)];
  return counts;
}

std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kMaxListed = 20;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kMaxListed); ++i)
    text.append(i == 0 ? "'" : ", '").append(names[i]).append("'");
  if (names.size() > kMaxListed) text.append(" and ").append(std::to_string(names.size() - kMaxListed)).append(" more");
  return text;
}

Result<DatasetPtr> open_image_folder(const std::string& folder) {
  Result<LabelledFolder> content = list_labelled_images(folder);
  if (!content) return content.error();
  return DatasetPtr(std::make_shared<ImageFolder>(folder, std::move(*content)));
}

DatasetPtr dataset_of_pictures(std::vector<LabelledPicture> pictures, std::vector<std::string> classes) {
  return std::make_shared<Pictures>(std::move(pictures), std::move(classes));
}

DatasetPtr subset(DatasetPtr base, std::vector<size_t> indexes) {
  return std::make_shared<Subset>(std::move(base), std::move(indexes));
}

Result<DatasetPtr> with_classes(DatasetPtr base, const std::vector<std::string>& classes) {
  if (base->classes() == classes) return base;
  std::multimap<std::string_view, size_t> ids;
  for (size_t i = 0; i < classes.size(); ++i) ids.emplace(classes[i], i);
  std::vector<size_t> class_ids;
  std::vector<std::string> unknown, ambiguous;
  for (const std::string& name : base->classes()) {
    const size_t count = ids.count(name);
    if (count == 0) unknown.push_back(name);
    if (count > 1) ambiguous.push_back(name);
    if (count == 1) class_ids.push_back(ids.find(name)->second);
  }
  if (!unknown.empty())
    return Error{ErrorCode::Incompatible,
                 "the data has the classes " + listed(unknown) + ", which are not among " + listed(classes),
                 "rename the folders, or pass --labels-file with their names in the order of the classes"};
  if (!ambiguous.empty())
    return Error{ErrorCode::Incompatible, "several of the classes to choose from are called " + listed(ambiguous),
                 "pass --labels-file with a name of its own for each class"};
  return DatasetPtr(std::make_shared<Relabelled>(std::move(base), std::move(class_ids), classes));
}

}  // namespace resnetft
