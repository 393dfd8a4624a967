// SPDX-License-Identifier: MIT
// ft-tool dataset: checks, counts and splits folders of pictures, shows what training sees of them, and makes them out
// of videos.
#include "dataset.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "data/split.h"
#include "json_text.h"
#include "model_source.h"
#include "resnetft/preprocess.h"
#include "tool_options.h"
#include "verbs.h"

namespace resnetft::tool {
namespace {

namespace fs = std::filesystem;

constexpr std::array kOwnOptions = {
    Option{.name = "output",
           .type = OptionType::String,
           .default_text = "",
           .help = "split, from-video, from-store: the folder to write; preview: the JPEG file"},
    Option{.name = "val-split",
           .type = OptionType::Double,
           .default_text = "0.2",
           .minimum = 0.0001,
           .maximum = 0.9999,
           .help = "split: the share of each class to judge by"},
    Option{.name = "seed",
           .type = OptionType::Uint64,
           .default_text = "0",
           .maximum = 18446744073709551615.0,
           .help = "Of the split, or of what preview draws"},
    Option{.name = "copy",
           .type = OptionType::Boolean,
           .default_text = "false",
           .help = "split: copies the files, which otherwise become links"},
    Option{.name = "images",
           .type = OptionType::Uint,
           .default_text = "8",
           .minimum = 1,
           .maximum = 64,
           .help = "preview: pictures, a row each"},
    Option{.name = "views",
           .type = OptionType::Uint,
           .default_text = "8",
           .minimum = 1,
           .maximum = 64,
           .help = "preview: what as many epochs see of a picture, behind what evaluation sees"},
    Option{.name = "every",
           .type = OptionType::Uint,
           .default_text = "1",
           .minimum = 1,
           .maximum = 1000000,
           .help = "from-video: keeps one frame of so many"},
    Option{.name = "label",
           .type = OptionType::String,
           .default_text = "",
           .help = "from-video: the class, which names the folder of the frames"},
    Option{.name = "from",
           .type = OptionType::Double,
           .default_text = "0",
           .maximum = 1e9,
           .help = "from-video: begins at so many seconds, by a seek where the file allows one"},
    Option{.name = "to",
           .type = OptionType::Double,
           .default_text = "0",
           .maximum = 1e9,
           .help = "from-video: ends before so many seconds; 0: at the end"},
};

// What stands beside each other in the parts of one folder.
struct Parts {
  std::vector<DataPart> parts;
  size_t images() const {
    size_t count = 0;
    for (const DataPart& part : parts) count += part.data->size();
    return count;
  }
};

Result<Parts> open_folder(const std::string& folder) {
  Result<std::vector<DataPart>> parts = open_parts(folder);
  if (!parts) return parts.error();
  return Parts{std::move(*parts)};
}

std::string count_text(size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : noun.ends_with("s") ? "es" : "s");
}

// Every picture of all parts, numbered through.
struct Checked {
  std::vector<std::string> names;
  std::vector<size_t> part_of;
  std::vector<std::optional<uint64_t>> hashes;
  std::vector<std::pair<size_t, Error>> corrupt;
};

Result<Checked> check_all(const Parts& folder, unsigned workers) {
  Checked checked;
  Progress progress("verify", static_cast<int64_t>(folder.images()));
  for (size_t part = 0; part < folder.parts.size(); ++part) {
    const Dataset& data = *folder.parts[part].data;
    const Result<PictureHashes> hashed = hash_pictures(data, workers, visit_progress(progress));
    if (!hashed) return visit_error(hashed.error());
    const size_t first = checked.names.size();
    for (size_t i = 0; i < data.size(); ++i) checked.names.push_back(data.name(i));
    checked.part_of.resize(checked.names.size(), part);
    checked.hashes.insert(checked.hashes.end(), hashed->hashes.begin(), hashed->hashes.end());
    for (const auto& [index, error] : hashed->corrupt) checked.corrupt.emplace_back(first + index, error);
  }
  return checked;
}

bool lies_in_two_parts(const std::vector<size_t>& group, const Checked& checked) {
  return std::ranges::any_of(group, [&](size_t i) { return checked.part_of[i] != checked.part_of[group.front()]; });
}

std::string verify_text(const Parts& folder, const Checked& checked, const std::vector<std::vector<size_t>>& groups,
                        size_t across, size_t duplicates) {
  constexpr size_t kMaxListed = 10;
  std::string text = count_text(checked.names.size(), "picture") + " of " +
                     count_text(folder.parts.front().data->classes().size(), "class") + ": " +
                     std::to_string(checked.corrupt.size()) + " cannot be decoded, " + std::to_string(duplicates) +
                     " are near-duplicates in " + count_text(groups.size(), "group") + "\n";
  if (across > 0)
    text += count_text(across, "group") + " of near-duplicates in both " + folder.parts.front().name + "/ and " +
            folder.parts.back().name + "/: what is judged by was learned from\n";
  for (size_t i = 0; i < std::min(groups.size(), kMaxListed); ++i) {
    text += "near-duplicates:";
    for (size_t j = 0; j < std::min(groups[i].size(), kMaxListed); ++j)
      text.append(" '").append(checked.names[groups[i][j]]).append("'");
    if (groups[i].size() > kMaxListed) text += " and " + std::to_string(groups[i].size() - kMaxListed) + " more";
    text += "\n";
  }
  if (groups.size() > kMaxListed)
    text += "and " + count_text(groups.size() - kMaxListed, "more group") + "; --json lists all\n";
  return text;
}

Result<int> verify(const CommandLine& line, const std::string& path) {
  const Result<Parts> folder = open_folder(path);
  if (!folder) return folder.error();
  const Result<Checked> checked = check_all(*folder, worker_count(line));
  if (!checked) return checked.error();
  const std::vector<std::vector<size_t>> groups = near_duplicate_groups(checked->hashes);
  const auto across = static_cast<size_t>(
      std::ranges::count_if(groups, [&](const auto& group) { return lies_in_two_parts(group, *checked); }));
  size_t duplicates = 0;
  OrderedJson json;
  json["data"] = path;
  json["images"] = checked->names.size();
  json["corrupt"] = OrderedJson::array();
  for (const auto& [index, error] : checked->corrupt) {
    say(to_string(error));
    json["corrupt"].push_back({{"path", checked->names[index]}, {"reason", error.message}});
  }
  json["near-duplicates"] = OrderedJson::array();
  for (const std::vector<size_t>& group : groups) {
    OrderedJson names = OrderedJson::array();
    for (const size_t picture : group) names.push_back(checked->names[picture]);
    json["near-duplicates"].push_back(std::move(names));
    duplicates += group.size();
  }
  json["groups-in-both-parts"] = across;
  const std::string text =
      line.flag("json") ? json_text(json) + "\n" : verify_text(*folder, *checked, groups, across, duplicates);
  if (Status status = write_out(text); !status) return status.error();
  return checked->corrupt.empty() ? 0 : 1;
}

// What stats needs of one picture; width 0: it could not be decoded.
struct PictureFacts {
  int width = 0, height = 0;
  std::array<double, 3> mean = {}, mean_square = {};  // of values in 0 to 1
};

PictureFacts facts_of(const ImageView& image) {
  const bool sideways = image.orientation >= Orientation::Transpose;
  PreprocessSpec spec;
  spec.mode = ResizeMode::Stretch;  // to its own size: every format becomes R, G, B, turned as EXIF says
  spec.crop_width = sideways ? image.height : image.width;
  spec.crop_height = sideways ? image.width : image.height;
  Result<Preprocessor> preprocessor = Preprocessor::create(spec);
  const size_t count = static_cast<size_t>(spec.crop_width) * static_cast<size_t>(spec.crop_height);
  std::vector<uint8_t> rgb(count * 3);
  if (!preprocessor || !preprocessor->to_pixels(image, rgb)) return {};
  std::array<uint64_t, 3> sum = {}, squares = {};
  for (size_t i = 0; i < rgb.size(); i += 3)
    for (size_t channel = 0; channel < 3; ++channel) {
      const uint64_t value = rgb[i + channel];
      sum[channel] += value;
      squares[channel] += value * value;
    }
  PictureFacts facts{.width = spec.crop_width, .height = spec.crop_height};
  for (size_t channel = 0; channel < 3; ++channel) {
    facts.mean[channel] = static_cast<double>(sum[channel]) / (255.0 * static_cast<double>(count));
    facts.mean_square[channel] = static_cast<double>(squares[channel]) / (255.0 * 255.0 * static_cast<double>(count));
  }
  return facts;
}

template <class T>
OrderedJson least_middle_most(std::vector<T> values) {
  if (values.empty()) return nullptr;
  std::ranges::sort(values);
  return OrderedJson::array({values.front(), values[values.size() / 2], values.back()});
}

OrderedJson classes_json(const Dataset& data) {
  const std::vector<size_t> counts = class_counts_of(data);
  OrderedJson list = OrderedJson::array();
  for (size_t id = 0; id < counts.size(); ++id) list.push_back({{"label", data.classes()[id]}, {"images", counts[id]}});
  return list;
}

// Each picture counts the same, whatever its size.
OrderedJson part_json(const DataPart& part, const std::vector<PictureFacts>& facts) {
  std::vector<int> widths, heights;
  std::array<double, 3> mean = {}, square = {};
  for (const PictureFacts& picture : facts) {
    if (picture.width == 0) continue;
    widths.push_back(picture.width);
    heights.push_back(picture.height);
    for (size_t channel = 0; channel < 3; ++channel) {
      mean[channel] += picture.mean[channel];
      square[channel] += picture.mean_square[channel];
    }
  }
  const auto good = static_cast<double>(widths.size());
  OrderedJson means = OrderedJson::array(), deviations = OrderedJson::array();
  for (size_t channel = 0; channel < 3 && good > 0; ++channel) {
    const double average = mean[channel] / good;
    means.push_back(average);
    deviations.push_back(std::sqrt(std::max(0.0, square[channel] / good - average * average)));
  }
  OrderedJson json;
  json["name"] = part.name;
  json["images"] = facts.size();
  json["corrupt"] = facts.size() - widths.size();
  json["classes"] = classes_json(*part.data);
  json["width"] = least_middle_most(std::move(widths));
  json["height"] = least_middle_most(std::move(heights));
  json["mean"] = std::move(means);
  json["std"] = std::move(deviations);
  json["sha256"] = part.data->manifest_hash();
  return json;
}

std::string triple_text(const OrderedJson& values, const char* format) {
  std::string text;
  for (const OrderedJson& value : values) {
    char number[40];
    std::snprintf(number, sizeof number, format, value.get<double>());
    text.append(text.empty() ? "" : " ").append(number);
  }
  return text;
}

std::string part_text(const OrderedJson& json) {
  const auto name = json["name"].get<std::string>();
  std::string text = (name.empty() ? "" : name + "/: ") + count_text(json["images"], "picture") + " of " +
                     count_text(json["classes"].size(), "class") + ", " +
                     std::to_string(json["corrupt"].get<size_t>()) + " cannot be decoded\n";
  if (!json["width"].is_null())
    text += "  width and height, least, middle and most: " + triple_text(json["width"], "%.0f") + ", " +
            triple_text(json["height"], "%.0f") + "\n  mean " + triple_text(json["mean"], "%.4f") + ", std " +
            triple_text(json["std"], "%.4f") + " of R, G and B in 0 to 1\n";
  for (const OrderedJson& row : json["classes"]) {
    std::string count = std::to_string(row["images"].get<size_t>());
    count.insert(0, 9 - std::min<size_t>(9, count.size()), ' ');
    text += count + "  " + row["label"].get<std::string>() + "\n";
  }
  return text;
}

Result<int> stats(const CommandLine& line, const std::string& path) {
  const Result<Parts> folder = open_folder(path);
  if (!folder) return folder.error();
  Progress progress("stats", static_cast<int64_t>(folder->images()));
  OrderedJson json;
  json["data"] = path;
  json["parts"] = OrderedJson::array();
  std::string text;
  for (const DataPart& part : folder->parts) {
    std::vector<PictureFacts> facts(part.data->size());
    const auto visit = [&](size_t index, const Result<DecodedImage>& image) {
      if (image) facts[index] = facts_of(image->view);
    };
    Status status = visit_pictures(*part.data, worker_count(line), {}, visit, visit_progress(progress));
    if (!status) return visit_error(status.error());
    OrderedJson each = part_json(part, facts);
    text += part_text(each);
    json["parts"].push_back(std::move(each));
  }
  if (Status status = write_out(line.flag("json") ? json_text(json) + "\n" : text); !status) return status.error();
  return 0;
}

Error writing_error(const fs::path& path, const std::error_code& reason) {
  return {ErrorCode::Io, "cannot write '" + path.string() + "': " + reason.message(),
          "check the path, its permissions and the room on the disk"};
}

Status check_split_target(const fs::path& output, const std::string& folder) {
  std::error_code reason;
  const fs::path data = fs::weakly_canonical(folder, reason), target = fs::weakly_canonical(output, reason);
  if (const auto [end, rest] = std::mismatch(data.begin(), data.end(), target.begin(), target.end()); end == data.end())
    return Error{ErrorCode::InvalidArgument, "output '" + output.string() + "' lies in the data",
                 "name another folder"};
  if (fs::exists(output, reason) && !(fs::is_directory(output, reason) && fs::is_empty(output, reason)))
    return Error{ErrorCode::Io, "output '" + output.string() + "' is there and not empty", "name a new folder"};
  return Status::success();
}

// `data` is a part of `base`, whose class folders are kept.
Status write_part(const Dataset& data, const fs::path& base, const fs::path& target, bool copy) {
  std::error_code reason;
  for (const std::string& name : data.classes())
    if (fs::create_directories(target / name, reason); reason) return writing_error(target / name, reason);
  for (size_t i = 0; i < data.size(); ++i) {
    if (interrupted()) return interrupted_error();
    const fs::path from = fs::absolute(data.name(i)), to = target / fs::path(data.name(i)).lexically_relative(base);
    fs::create_directories(to.parent_path(), reason);
    if (!reason && copy) fs::copy_file(from, to, reason);
    if (!reason && !copy) fs::create_symlink(from, to, reason);
    if (reason) return writing_error(to, reason);
  }
  return Status::success();
}

Result<int> split(const CommandLine& line, const std::string& path) {
  const Result<std::string> output = required_text(line, "output", "FOLDER");
  if (!output) return output.error();
  if (Status status = check_split_target(*output, path); !status) return status.error();
  const Result<Parts> folder = open_folder(path);
  if (!folder) return folder.error();
  if (folder->parts.size() > 1)
    return Error{
        ErrorCode::InvalidArgument,
        "'" + path + "' is split already: it has " + folder->parts.front().name + " and " + folder->parts.back().name,
        "name one of them, or a folder of classes"};
  Progress progress("split", static_cast<int64_t>(folder->images()));
  SplitOptions options{.validation_fraction = line.real("val-split"),
                       .seed = line.number("seed"),
                       .workers = worker_count(line),
                       .progress = visit_progress(progress)};
  const Result<DataSplit> data = open_data(path, options);
  if (!data) return visit_error(data.error());
  for (const auto& [name, error] : data->corrupt) say(to_string(error));
  const fs::path inner = fs::path(path) / data->train->classes().front();
  const fs::path base = fs::is_directory(inner) ? fs::path(path) : fs::path(path) / "train";
  for (const auto& [part, name] : {std::pair(data->train, "train"), std::pair(data->validation, "val")})
    if (Status status = write_part(*part, base, fs::path(*output) / name, line.flag("copy")); !status)
      return status.error();
  OrderedJson json;
  json["data"] = path;
  json["output"] = *output;
  json["train"] = data->train->size();
  json["val"] = data->validation->size();
  json["duplicate-groups"] = data->duplicate_groups;
  json["duplicates"] = data->duplicate_pictures;
  json["at-random"] = data->at_random;
  json["corrupt"] = data->corrupt.size();
  const std::string text = line.flag("json") ? json_text(json) : data->how;
  if (Status status = write_out(text + "\n"); !status) return status.error();
  return 0;
}

struct Action {
  std::string_view name;
  std::string_view argument;
  Result<int> (*run)(const CommandLine& line, const std::string& argument);
  std::vector<Option> options;  // beside --json and --verbose
};

Option own(std::string_view name) { return *find_option(kOwnOptions, name); }

std::vector<Action> actions() {
  const Option workers = option_rows({"workers"}).front();
  std::vector<Option> drawn = preview_options();
  for (const char* name : {"output", "seed", "images", "views"}) drawn.push_back(own(name));
  return {
      {"verify", "DIR", verify, {workers}},
      {"stats", "DIR", stats, {workers}},
      {"split", "DIR", split, {workers, own("output"), own("val-split"), own("seed"), own("copy")}},
      {"preview", "DIR", preview_dataset, drawn},
      {"from-video", "FILE", dataset_from_video, {own("output"), own("label"), own("every"), own("from"), own("to")}},
      {"from-store", "DIR", dataset_from_store, {own("output")}}};
}

std::vector<Option> all_options() {
  std::vector<Option> rows;
  for (const Action& action : actions())
    for (const Option& row : action.options)
      if (!find_option(rows, row.name)) rows.push_back(row);
  for (const Option& row : option_rows({"json", "verbose"})) rows.push_back(row);
  return rows;
}

std::string action_names() {
  std::string names;
  for (const Action& action : actions()) names.append(names.empty() ? "" : ", ").append(action.name);
  return names;
}

// An option that the action does not know would be ignored without a word.
Status check_options(const CommandLine& line, const Action& action) {
  for (const Option& row : all_options())
    if (line.given(row.name) && !find_option(action.options, row.name) && row.name != "json" && row.name != "verbose")
      return Error{ErrorCode::InvalidArgument,
                   "dataset " + std::string(action.name) + " has no option --" + std::string(row.name),
                   "see ft-tool dataset --help"};
  return Status::success();
}

Result<int> run(const CommandLine& line) {
  const std::vector<std::string>& words = line.arguments();
  if (words.empty())
    return Error{ErrorCode::InvalidArgument, "dataset needs an action", "possible are: " + action_names()};
  for (const Action& action : actions()) {
    if (action.name != words.front()) continue;
    if (words.size() != 2)
      return Error{ErrorCode::InvalidArgument,
                   "dataset " + std::string(action.name) + " takes one " + std::string(action.argument) + ", not " +
                       std::to_string(words.size() - 1),
                   ""};
    if (Status status = check_options(line, action); !status) return status.error();
    return action.run(line, words[1]);
  }
  return Error{ErrorCode::InvalidArgument, "unknown action '" + words.front() + "'", "possible are: " + action_names()};
}

}  // namespace

VisitProgress visit_progress(Progress& progress) {
  return [&progress, last = size_t{0}](size_t done) mutable {
    progress.advance(static_cast<int64_t>(done - last));
    last = done;
    return !interrupted();
  };
}

Error visit_error(const Error& error) { return error.code == ErrorCode::Cancelled ? interrupted_error() : error; }

Result<std::string> required_text(const CommandLine& line, std::string_view name, std::string_view what) {
  if (line.given(name) && !line.text(name).empty()) return line.text(name);
  return Error{ErrorCode::InvalidArgument, "no --" + std::string(name) + " is named",
               "pass --" + std::string(name) + " " + std::string(what)};
}

Verb dataset_verb() {
  return {
      "dataset",
      "verify|stats|split|preview|from-store DIR or from-video FILE",
      "Checks, counts, splits and shows pictures, and makes them out of videos and stores",
      "DIR holds a folder for each class, or train/ and val/ (or test/) with them, or CIFAR binaries.\n"
      "  verify      decodes every picture, names what is damaged (exit status 1) and what looks alike\n"
      "  stats       classes, counts, sizes, mean and standard deviation\n"
      "  split       writes OUTPUT/train and OUTPUT/val; pictures that look alike go to one side\n"
      "  preview     draws what training sees, a row for each picture: the whole view, then one for each epoch; of\n"
      "              --model-file or --arch, else small pictures as they are and others at 224\n"
      "  from-video  writes frames to OUTPUT/LABEL\n"
      "  from-store  writes what a learner kept in its replay-location, with store-frames, to OUTPUT/train and\n"
      "              OUTPUT/val\n\n"
      "  ft-tool dataset verify birds/\n"
      "  ft-tool dataset split birds/ --output birds-split/ --val-split 0.2\n"
      "  ft-tool dataset preview birds/ --auto-augment ta-wide --output sheet.jpg\n"
      "  ft-tool dataset from-video clip.mp4 --every 15 --label owl --output birds/\n"
      "  ft-tool dataset from-store samples/ --output parts/",
      all_options(),
      run};
}

}  // namespace resnetft::tool
