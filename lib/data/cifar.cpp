// SPDX-License-Identifier: MIT
// CIFAR-10 and CIFAR-100 in their binary form (Krizhevsky 2009): records of one or two label bytes and 32x32 pixels,
// red plane, green plane, blue plane.
#include <algorithm>
#include <array>
#include <filesystem>
#include <new>
#include <sstream>

#include "base/hash.h"
#include "base/mapped_file.h"
#include "data/dataset.h"
#include "data/hash_once.h"
#include "data/image_decoders.h"

namespace resnetft {
namespace {

namespace fs = std::filesystem;

constexpr int kSide = 32;
constexpr size_t kPlane = size_t{kSide} * kSide;

struct Kind {
  size_t label_bytes;
  size_t label_byte;  // which of them is the class
  size_t classes;
  const char* names_file;
  std::vector<const char*> train, test;
};

const Kind kCifar10 = {
    1,
    0,
    10,
    "batches.meta.txt",
    {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
    {"test_batch.bin"}};
const Kind kCifar100 = {2, 1, 100, "fine_label_names.txt", {"train.bin"}, {"test.bin"}};

size_t record_bytes(const Kind& kind) { return kind.label_bytes + 3 * kPlane; }

struct Part {
  std::string path;
  std::shared_ptr<const MappedFile> file;
};

Error corrupt(const std::string& path, std::string what) {
  return {ErrorCode::CorruptFile, "CIFAR file '" + path + "': " + std::move(what), "unpack the archive again"};
}

class Cifar : public Dataset {
 public:
  Cifar(const Kind& kind, std::vector<Part> parts, std::vector<std::string> classes)
      : kind_(kind), parts_(std::move(parts)), classes_(std::move(classes)) {
    for (size_t part = 0; part < parts_.size(); ++part)
      for (size_t record = 0; record < parts_[part].file->bytes().size() / record_bytes(kind_); ++record)
        records_.push_back({static_cast<uint32_t>(part), static_cast<uint32_t>(record)});
  }

  size_t size() const override { return records_.size(); }
  size_t class_id(size_t index) const override { return std::to_integer<size_t>(record(index)[kind_.label_byte]); }
  const std::vector<std::string>& classes() const override { return classes_; }

  std::string name(size_t index) const override {
    const Record at = records_[index];
    return fs::path(parts_[at.part].path).filename().string() + "#" + std::to_string(at.number);
  }

  Result<DecodedImage> get(size_t index, const ReduceBy&) const override try {
    const std::span<const std::byte> planes = record(index).subspan(kind_.label_bytes);
    std::vector<uint8_t> rgb(3 * kPlane);
    for (size_t i = 0; i < kPlane; ++i)
      for (size_t channel = 0; channel < 3; ++channel)
        rgb[3 * i + channel] = std::to_integer<uint8_t>(planes[channel * kPlane + i]);
    return own_pixels(std::move(rgb), PixelFormat::Rgb, kSide, kSide);
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::OutOfMemory, "picture '" + name(index) + "': memory ran out", "use fewer workers"};
  }

  std::string manifest_hash() const override {
    return hash_.of([this] { return hash_of_files(); });
  }

 private:
  struct Record {
    uint32_t part, number;
  };

  std::string hash_of_files() const {
    std::string manifest = "cifar";
    for (const std::string& name : classes_) manifest.append("\n").append(name);
    for (const Part& part : parts_)
      manifest.append("\n")
          .append(fs::path(part.path).filename().string())
          .append(" ")
          .append(sha256_hex(part.file->bytes()));
    return sha256_hex(std::as_bytes(std::span(manifest)));
  }

  std::span<const std::byte> record(size_t index) const {
    const Record at = records_[index];
    return parts_[at.part].file->bytes().subspan(at.number * record_bytes(kind_), record_bytes(kind_));
  }

  const Kind& kind_;
  std::vector<Part> parts_;
  std::vector<std::string> classes_;
  std::vector<Record> records_;
  HashOnce hash_;
};

// The names file lies beside the data; without it the classes are their numbers.
std::vector<std::string> read_class_names(const fs::path& folder, const Kind& kind) {
  std::vector<std::string> names;
  if (const auto file = MappedFile::open((folder / kind.names_file).string())) {
    const std::span<const std::byte> bytes = (*file)->bytes();
    std::istringstream lines(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    for (std::string line; std::getline(lines, line);) {
      if (line.ends_with('\r')) line.pop_back();
      if (!line.empty()) names.push_back(line);
    }
  }
  if (names.size() == kind.classes) return names;
  names.clear();
  for (size_t i = 0; i < kind.classes; ++i) names.push_back(std::to_string(i));
  return names;
}

Status check_part(const Part& part, const Kind& kind) {
  const std::span<const std::byte> bytes = part.file->bytes();
  const size_t record = record_bytes(kind);
  if (bytes.empty() || bytes.size() % record != 0)
    return corrupt(part.path, "it has " + std::to_string(bytes.size()) + " bytes, which is no number of records of " +
                                  std::to_string(record));
  for (size_t at = 0; at < bytes.size(); at += record)
    if (const auto label = std::to_integer<size_t>(bytes[at + kind.label_byte]); label >= kind.classes)
      return corrupt(part.path, "record " + std::to_string(at / record) + " is of class " + std::to_string(label) +
                                    ", of " + std::to_string(kind.classes));
  return Status::success();
}

const Kind* kind_of(const fs::path& folder) {
  std::error_code ignored;
  for (const Kind* kind : {&kCifar10, &kCifar100})
    if (fs::is_regular_file(folder / kind->train.front(), ignored) ||
        fs::is_regular_file(folder / kind->test.front(), ignored))
      return kind;
  return nullptr;
}

// The folder itself, or the one that the archives unpack to in it.
fs::path folder_with_data(const std::string& folder) {
  for (const char* inner : {"", "cifar-10-batches-bin", "cifar-100-binary"})
    if (const fs::path path = fs::path(folder) / inner; kind_of(path)) return path;
  return {};
}

}  // namespace

bool is_cifar(const std::string& folder) { return !folder_with_data(folder).empty(); }

Result<DatasetPtr> open_cifar(const std::string& folder, bool train) {
  const fs::path path = folder_with_data(folder);
  const Kind* kind = path.empty() ? nullptr : kind_of(path);
  if (!kind)
    return Error{
        ErrorCode::NotFound, "there are no CIFAR binaries in '" + folder + "'",
        "CIFAR-10 has data_batch_1.bin to data_batch_5.bin and test_batch.bin, CIFAR-100 train.bin and test.bin"};
  std::vector<Part> parts;
  for (const char* name : train ? kind->train : kind->test) {
    const std::string file_path = (path / name).string();
    Result<std::shared_ptr<const MappedFile>> file = MappedFile::open(file_path);
    if (!file) return file.error();
    parts.push_back({file_path, std::move(*file)});
    if (Status status = check_part(parts.back(), *kind); !status) return status.error();
  }
  return DatasetPtr(std::make_shared<Cifar>(*kind, std::move(parts), read_class_names(path, *kind)));
}

}  // namespace resnetft
