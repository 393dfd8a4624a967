// SPDX-License-Identifier: MIT
// What --data names, and how it becomes two datasets.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <new>
#include <thread>

#include "data/split.h"

namespace resnetft {
namespace {

namespace fs = std::filesystem;

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

size_t folders_in(const fs::path& path) {
  std::error_code reason;
  size_t count = 0;
  for (fs::directory_iterator entry(path, reason); !reason && entry != fs::directory_iterator();
       entry.increment(reason))
    count += is_folder(entry->path()) && !entry->path().filename().string().starts_with(".");
  return count;
}

// The part beside train/ that is judged by; empty: there is none.
fs::path validation_part(const fs::path& folder) {
  for (const char* name : {"val", "test"})
    if (is_folder(folder / name)) return folder / name;
  return {};
}

std::string pictures_text(const Dataset& data) { return std::to_string(data.size()) + " pictures"; }

// A class of the validation part that nothing is learned for is an error; one without validation pictures is not.
Result<DataSplit> pair_of(DatasetPtr train, DatasetPtr validation, const std::string& how) {
  const size_t judged_classes = validation->classes().size();
  Result<DatasetPtr> matched = with_classes(std::move(validation), train->classes());
  if (!matched)
    return Error{ErrorCode::Incompatible, "validation and training differ: " + matched.error().message,
                 matched.error().hint};
  std::string sentence = how + ": " + pictures_text(*train) + " to learn from, " + pictures_text(**matched) +
                         " to judge by, " + std::to_string(train->classes().size()) + " classes";
  if (judged_classes < train->classes().size())
    sentence.append(", of which ").append(std::to_string(judged_classes)).append(" have validation pictures");
  return DataSplit{std::move(train), std::move(*matched), std::move(sentence), {}};
}

Result<DataSplit> pair_of(const Result<DatasetPtr>& train, const Result<DatasetPtr>& validation,
                          const std::string& how) {
  if (!train) return train.error();
  if (!validation) return validation.error();
  return pair_of(*train, *validation, how);
}

// A ninth of the reduced sides is the least that a dHash needs to be about that of the whole picture.
int reduce_for_hash(int width, int height) {
  constexpr int kLeastSide = 9 * 9;
  for (const int divisor : {8, 4, 2})
    if (std::min(width, height) / divisor >= kLeastSide) return divisor;
  return 1;
}

struct Hashes {
  std::vector<std::optional<uint64_t>> of_pictures;
  std::vector<std::string> errors;
};

struct Hashed {
  std::optional<uint64_t> hash;
  std::string error;
};

Hashed hash_one(const Dataset& data, size_t index) try {
  const Result<DecodedImage> image = data.get(index, reduce_for_hash);
  if (!image) return {std::nullopt, to_string(image.error())};
  return {dhash(image->view), ""};
} catch (const std::bad_alloc&) {
  return {};
}

// Every picture's; a picture that cannot be decoded has none.
Hashes hash_all(const Dataset& data, unsigned workers) {
  std::vector<Hashed> hashed(data.size());
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < data.size(); i = next++) hashed[i] = hash_one(data, i);
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 1; i < workers; ++i) threads.emplace_back(work);
    work();
  }
  Hashes hashes;
  for (Hashed& each : hashed) {
    hashes.of_pictures.push_back(each.hash);
    if (!each.error.empty()) hashes.errors.push_back(std::move(each.error));
  }
  return hashes;
}

std::string split_text(const std::string& folder, const Split& split, const SplitOptions& options) {
  char share[40];
  std::snprintf(share, sizeof share, "%.4g", options.validation_fraction);
  std::string text = "'" + folder + "' was split by seed " + std::to_string(options.seed) + ": " +
                     std::to_string(split.train.size()) + " pictures to learn from, " +
                     std::to_string(split.validation.size()) + " (" + share + " of each class) to judge by";
  if (split.duplicate_groups == 0) return text + "; no near-duplicates";
  text.append("; ").append(std::to_string(split.duplicate_pictures)).append(" pictures are near-duplicates in ");
  text.append(std::to_string(split.duplicate_groups)).append(" groups, ");
  return text + (split.at_random ? "which were torn apart, at random: else a class would have no validation picture"
                                 : "which stay on one side");
}

Result<DataSplit> split_folder(const std::string& folder, const SplitOptions& options) {
  if (!(options.validation_fraction > 0 && options.validation_fraction < 1))
    return Error{ErrorCode::InvalidArgument,
                 "validation share " + std::to_string(options.validation_fraction) + " of '" + folder + "'",
                 "it lies between 0 and 1; or name another folder to judge by"};
  const Result<DatasetPtr> data = open_image_folder(folder);
  if (!data) return data.error();
  std::vector<size_t> class_ids;
  for (size_t i = 0; i < (*data)->size(); ++i) class_ids.push_back((*data)->class_id(i));
  Hashes hashes = hash_all(**data, options.workers);
  const Split split = split_stratified(class_ids, hashes.of_pictures, options.validation_fraction, options.seed);
  return DataSplit{subset(*data, split.train), subset(*data, split.validation), split_text(folder, split, options),
                   std::move(hashes.errors)};
}

Result<DatasetPtr> open_validation(const std::string& folder) {
  if (is_cifar(folder)) return open_cifar(folder, false);
  const fs::path part = validation_part(folder);
  return open_image_folder(part.empty() ? folder : part.string());
}

Result<DataSplit> open_parts(const std::string& folder, const SplitOptions& options) {
  // A folder train/ among other classes is a class.
  const fs::path train = fs::path(folder) / "train", validation = validation_part(folder);
  const bool has_train = is_folder(train) && (!validation.empty() || folders_in(folder) == 1);
  const std::string learned = has_train ? train.string() : folder;
  if (!options.validation_folder.empty()) {
    const Result<DatasetPtr> data = is_cifar(folder) ? open_cifar(folder, true) : open_image_folder(learned);
    return pair_of(data, open_validation(options.validation_folder),
                   "'" + folder + "' and '" + options.validation_folder + "'");
  }
  if (is_cifar(folder))
    return pair_of(open_cifar(folder, true), open_cifar(folder, false), "CIFAR binaries in '" + folder + "'");
  if (!has_train || validation.empty()) return split_folder(learned, options);
  return pair_of(open_image_folder(learned), open_image_folder(validation.string()),
                 "train/ and " + validation.filename().string() + "/ in '" + folder + "'");
}

}  // namespace

Result<DataSplit> open_data(const std::string& folder, const SplitOptions& options) try {
  return open_parts(folder, options);
} catch (const std::exception& exception) {
  return Error{ErrorCode::OutOfMemory, "data '" + folder + "': " + exception.what(), "use fewer workers"};
}

}  // namespace resnetft
