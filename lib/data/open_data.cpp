// SPDX-License-Identifier: MIT
// What --data names, and how it becomes two datasets.
#include <cstdio>
#include <exception>
#include <filesystem>

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
Result<DataSplit> pair_of(const DatasetPtr& train, const DatasetPtr& validation, const std::string& how) {
  const size_t judged_classes = validation->classes().size();
  Result<DatasetPtr> matched = with_classes(validation, train->classes());
  if (!matched)
    return Error{ErrorCode::Incompatible, "validation and training differ: " + matched.error().message,
                 "rename the folders, or remove those that do not belong"};
  std::string sentence = how + ": " + pictures_text(*train) + " to learn from, " + pictures_text(**matched) +
                         " to judge by, " + std::to_string(train->classes().size()) + " classes";
  if (judged_classes < train->classes().size())
    sentence.append(", of which ").append(std::to_string(judged_classes)).append(" have validation pictures");
  return DataSplit{train, std::move(*matched), std::move(sentence), {}};
}

std::string split_text(const std::string& folder, const Split& split, const SplitOptions& options) {
  char share[40];
  std::snprintf(share, sizeof share, "%.4g", options.validation_fraction);
  std::string text = "'" + folder + "' was split by seed " + std::to_string(options.seed) + ": " +
                     std::to_string(split.train.size()) + " pictures to learn from, " +
                     std::to_string(split.validation.size()) + " (" + share + " of each class) to judge by";
  if (split.duplicate_groups == 0) return text + "; no near-duplicates";
  text.append("; ").append(std::to_string(split.duplicate_pictures)).append(" pictures are near-duplicates in ");
  text.append(std::to_string(split.duplicate_groups)).append(split.duplicate_groups == 1 ? " group, " : " groups, ");
  return text + (split.at_random ? "which were torn apart, at random: else a class would have no validation picture"
                                 : "which stay on one side");
}

Result<DataSplit> split_one(const std::string& folder, const DatasetPtr& data, const SplitOptions& options) {
  if (!(options.validation_fraction > 0 && options.validation_fraction < 1))
    return Error{ErrorCode::InvalidArgument,
                 "validation share " + std::to_string(options.validation_fraction) + " of '" + folder + "'",
                 "it lies between 0 and 1; or name another folder to judge by"};
  const Result<PictureHashes> hashes = hash_pictures(*data, options.workers, options.progress);
  if (!hashes) return hashes.error();
  const Split split = split_stratified(class_ids_of(*data), hashes->hashes, options.validation_fraction, options.seed);
  DataSplit result{.train = subset(data, split.train),
                   .validation = subset(data, split.validation),
                   .how = split_text(folder, split, options),
                   .corrupt = {},
                   .duplicate_groups = split.duplicate_groups,
                   .duplicate_pictures = split.duplicate_pictures,
                   .at_random = split.at_random};
  for (const auto& [index, error] : hashes->corrupt) result.corrupt.emplace_back(data->name(index), error);
  return result;
}

Result<std::vector<DataPart>> cifar_parts(const std::string& folder) {
  const Result<DatasetPtr> train = open_cifar(folder, true), test = open_cifar(folder, false);
  if (!train) return train.error();
  if (!test) return test.error();
  return std::vector<DataPart>{{"train", *train}, {"test", *test}};
}

// A folder train/ among other classes is a class.
Result<std::vector<DataPart>> folder_parts(const std::string& folder) {
  const fs::path train = fs::path(folder) / "train", validation = validation_part(folder);
  const bool has_train = is_folder(train) && (!validation.empty() || folders_in(folder) == 1);
  const Result<DatasetPtr> data = open_image_folder(has_train ? train.string() : folder);
  if (!data) return data.error();
  if (!has_train || validation.empty()) return std::vector<DataPart>{{"", *data}};
  const Result<DatasetPtr> judged = open_image_folder(validation.string());
  if (!judged) return judged.error();
  return std::vector<DataPart>{{"train", *data}, {validation.filename().string(), *judged}};
}

Result<DatasetPtr> open_validation(const std::string& folder) {
  if (is_cifar(folder)) return open_cifar(folder, false);
  const fs::path part = validation_part(folder);
  return open_image_folder(part.empty() ? folder : part.string());
}

Result<DataSplit> open_both(const std::string& folder, const SplitOptions& options) {
  Result<std::vector<DataPart>> parts = open_parts(folder);
  if (!parts) return parts.error();
  const DatasetPtr& train = parts->front().data;
  if (!options.validation_folder.empty()) {
    const Result<DatasetPtr> judged = open_validation(options.validation_folder);
    if (!judged) return judged.error();
    return pair_of(train, *judged, "'" + folder + "' and '" + options.validation_folder + "'");
  }
  if (parts->size() == 1) return split_one(folder, train, options);
  const std::string kind = is_cifar(folder) ? "CIFAR binaries in '" : "train/ and " + parts->back().name + "/ in '";
  return pair_of(train, parts->back().data, kind + folder + "'");
}

}  // namespace

Result<std::vector<DataPart>> open_parts(const std::string& folder) {
  return is_cifar(folder) ? cifar_parts(folder) : folder_parts(folder);
}

Result<DataSplit> open_data(const std::string& folder, const SplitOptions& options) try {
  return open_both(folder, options);
} catch (const std::exception& exception) {
  return Error{ErrorCode::OutOfMemory, "data '" + folder + "': " + exception.what(), "use fewer workers"};
}

}  // namespace resnetft
