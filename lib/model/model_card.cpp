// SPDX-License-Identifier: MIT
// The card as JSON, and the config.json that timm and Hugging Face lay beside their weights.
#include "model/model_card.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <cmath>
#include <new>
#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "model/json_depth.h"
#include "model/normalization.h"
#include "model/published.h"

namespace resnetft {
namespace {

using Json = nlohmann::json;

template <class Value>
struct Name {
  Value value;
  std::string_view name;
};

constexpr std::array kModes = {Name{ResizeMode::Crop, "crop"}, Name{ResizeMode::Stretch, "stretch"},
                               Name{ResizeMode::Letterbox, "letterbox"}};
constexpr std::array kInterpolations = {Name{Interpolation::Bilinear, "bilinear"},
                                        Name{Interpolation::Bicubic, "bicubic"}};

template <class Table, class Value>
std::string_view name_of(const Table& table, Value value) {
  for (const auto& row : table)
    if (row.value == value) return row.name;
  return "";
}

// Thrown inside this file only.
struct BadField {
  std::string reason;
};

template <class Value, class Table>
Value value_from(const Table& table, const Json& json, const std::string& key, Value otherwise) {
  const auto found = json.find(key);
  if (found == json.end()) return otherwise;
  for (const auto& row : table)
    if (found->is_string() && found->get_ref<const std::string&>() == row.name) return row.value;
  throw BadField{"'" + key + "' is not one of its values"};
}

template <class Value>
void read_field(const Json& json, const std::string& key, Value& value) {
  const auto found = json.find(key);
  if (found == json.end()) return;
  try {
    found->get_to(value);
  } catch (const Json::exception&) {
    throw BadField{"'" + key + "' is of the wrong kind"};
  }
}

// nlohmann's own conversion of a large number to int is undefined.
int int_from(const Json& json, const std::string& key) {
  if (!json.is_number_integer()) throw BadField{"'" + key + "' is not a whole number"};
  const bool huge = json.is_number_unsigned() && json.get<uint64_t>() > INT_MAX;
  if (huge || json.get<int64_t>() > INT_MAX || json.get<int64_t>() < INT_MIN)
    throw BadField{"'" + key + "' is out of range"};
  return json.get<int>();
}

void read_int(const Json& json, const std::string& key, int& value) {
  if (const auto found = json.find(key); found != json.end()) value = int_from(*found, key);
}

// `key` is a list of exactly that many whole numbers.
template <size_t N>
void read_ints(const Json& json, const std::string& key, std::array<int, N>& values) {
  const auto found = json.find(key);
  if (found == json.end()) return;
  if (!found->is_array() || found->size() != N)
    throw BadField{"'" + key + "' is not a list of " + std::to_string(N) + " numbers"};
  for (size_t i = 0; i < N; ++i) values[i] = int_from((*found)[i], key);
}

void read_colour(const Json& json, const std::string& key, std::array<float, 3>& colour) {
  if (const auto found = json.find(key); found != json.end() && (!found->is_array() || found->size() != colour.size()))
    throw BadField{"'" + key + "' is not a list of three numbers"};
  read_field(json, key, colour);
}

Normalization normalization_from(const Json& json) {
  std::string name(normalization_name(Normalization::Batch));
  read_field(json, "normalization", name);
  for (int i = 0; i <= static_cast<int>(Normalization::Group); ++i)
    if (normalization_name(static_cast<Normalization>(i)) == name) return static_cast<Normalization>(i);
  throw BadField{"'normalization' is not one of its values"};
}

PreprocessSpec preprocess_from(const Json& json) {
  PreprocessSpec spec;
  if (!json.is_object()) throw BadField{"'preprocess' is not an object"};
  spec.mode = value_from(kModes, json, "mode", spec.mode);
  spec.interpolation = value_from(kInterpolations, json, "interpolation", spec.interpolation);
  std::array<int, 2> crop = {spec.crop_width, spec.crop_height};
  read_int(json, "resize", spec.resize);
  read_ints(json, "crop", crop);
  read_colour(json, "mean", spec.mean);
  read_colour(json, "std", spec.std);
  spec.crop_width = crop[0];
  spec.crop_height = crop[1];
  if (const Result<Preprocessor> check = Preprocessor::create(spec); !check) throw BadField{check.error().message};
  return spec;
}

ModelCard card_from(const Json& json) {
  if (!json.is_object()) throw BadField{"it is not an object"};
  ModelCard card;
  read_field(json, "architecture", card.architecture);
  int num_classes = 0;
  read_int(json, "num-classes", num_classes);
  card.num_classes = num_classes;
  read_field(json, "labels", card.labels);
  card.normalization = normalization_from(json);
  if (!json.contains("preprocess")) throw BadField{"'preprocess' is missing"};
  card.preprocess = preprocess_from(json["preprocess"]);
  read_field(json, "temperature", card.temperature);
  if (!std::isfinite(card.temperature) || card.temperature <= 0) throw BadField{"'temperature' is not positive"};
  if (json.contains("provenance")) {
    if (!json["provenance"].is_object()) throw BadField{"'provenance' is not an object"};
    card.provenance_json = json["provenance"].dump();
  }
  if (card.architecture.empty()) throw BadField{"'architecture' is missing"};
  return card;
}

// Runs `read()`, which may throw BadField; deep nesting is refused before it is parsed.
template <class Read>
auto guarded_json(std::string_view text, const std::string& what, Read read) -> Result<decltype(read(Json()))> {
  constexpr int kMaxDepth = 16;
  constexpr size_t kMaxBytes = 4 << 20;
  try {
    if (text.size() > kMaxBytes || nests_deeper_than(text, kMaxDepth)) throw BadField{"it is too large or too deep"};
    const Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) throw BadField{"it is not JSON"};
    return read(json);
  } catch (const BadField& field) {
    return Error{ErrorCode::CorruptFile, what + ": " + field.reason, "mend or remove it"};
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::OutOfMemory, what + ": memory ran out", "free some memory"};
  }
}

// How timm calls what it does with the picture's edges.
constexpr std::array kCropModes = {Name{ResizeMode::Crop, "center"}, Name{ResizeMode::Stretch, "squash"},
                                   Name{ResizeMode::Letterbox, "border"}};

// timm: pretrained_cfg, or the same keys at the top. crop_pct is crop / resize.
void read_foreign_preprocess(const Json& source, PreprocessSpec& spec) {
  std::array<int, 3> input = {3, spec.crop_height, spec.crop_width};
  double crop_pct = 0.875;
  read_ints(source, "input_size", input);
  read_field(source, "crop_pct", crop_pct);
  read_colour(source, "mean", spec.mean);
  read_colour(source, "std", spec.std);
  spec.interpolation = value_from(kInterpolations, source, "interpolation", spec.interpolation);
  spec.mode = value_from(kCropModes, source, "crop_mode", spec.mode);
  if (!(crop_pct > 0.01 && crop_pct <= 1)) throw BadField{"'crop_pct' is outside 0.01 to 1"};
  spec.crop_height = input[1];
  spec.crop_width = input[2];
  const double resize = std::floor(std::min(input[1], input[2]) / crop_pct);
  if (resize > INT_MAX) throw BadField{"'input_size' is out of range"};
  spec.resize = static_cast<int>(resize);
  if (const Result<Preprocessor> check = Preprocessor::create(spec); !check) throw BadField{check.error().message};
}

// Hugging Face's names: {"0": "tench", ...}, every number once.
std::vector<std::string> labels_from_numbers(const Json& names) {
  std::vector<std::string> labels(names.size());
  for (const auto& [id, name] : names.items()) {
    size_t index = labels.size();
    const auto parsed = std::from_chars(id.data(), id.data() + id.size(), index);
    if (parsed.ptr != id.data() + id.size() || index >= labels.size() || !name.is_string() || !labels[index].empty())
      throw BadField{"'id2label' has an odd entry '" + id + "'"};
    labels[index] = name.get<std::string>();
  }
  return labels;
}

// timm's names of training sets end in "in1k" for ImageNet's thousand classes, whose names it leaves out.
bool is_imagenet(const Json& json, const Json& source) {
  std::string tag;
  int num_classes = 0;
  read_field(source, "tag", tag);
  read_int(json, "num_classes", num_classes);
  return tag.ends_with("in1k") && (num_classes == 0 || num_classes == 1000);
}

ForeignConfig config_from(const Json& json) {
  if (!json.is_object()) throw BadField{"it is not an object"};
  ForeignConfig config;
  const auto inner = json.find("pretrained_cfg");
  const Json& source = inner != json.end() && inner->is_object() ? *inner : json;
  config.has_preprocess = source.contains("mean") || source.contains("input_size");
  if (config.has_preprocess) read_foreign_preprocess(source, config.preprocess);
  read_field(json, "label_names", config.labels);
  if (const auto names = json.find("id2label"); config.labels.empty() && names != json.end() && names->is_object())
    config.labels = labels_from_numbers(*names);
  if (config.labels.empty() && is_imagenet(json, source))
    config.labels.assign(imagenet_labels().begin(), imagenet_labels().end());
  return config;
}

// 0.485f as 0.485, not as the double 0.48500001430511475; reading it back gives the same float.
std::array<double, 3> readable(const std::array<float, 3>& colour) {
  std::array<double, 3> values;
  for (size_t i = 0; i < colour.size(); ++i) {
    std::array<char, 32> text;
    const char* end = std::to_chars(text.data(), text.data() + text.size(), colour[i]).ptr;
    std::from_chars(text.data(), end, values[i]);
  }
  return values;
}

}  // namespace

// The JSON writer checks UTF-8 strictly; asking it spares a second decoder.
bool is_utf8(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return false;
  try {
    Json(std::string(text)).dump();
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

Json preprocess_to_json(const PreprocessSpec& spec) {
  return {{"mode", name_of(kModes, spec.mode)},
          {"interpolation", name_of(kInterpolations, spec.interpolation)},
          {"resize", spec.resize},
          {"crop", {spec.crop_width, spec.crop_height}},
          {"mean", readable(spec.mean)},
          {"std", readable(spec.std)}};
}

std::string card_to_json(const ModelCard& card) {
  const Json provenance = Json::parse(card.provenance_json, nullptr, false);
  return Json{{"architecture", card.architecture},
              {"num-classes", card.num_classes},
              {"labels", card.labels},
              {"normalization", normalization_name(card.normalization)},
              {"preprocess", preprocess_to_json(card.preprocess)},
              {"temperature", card.temperature},
              {"provenance", provenance.is_discarded() ? Json::object() : provenance}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<ModelCard> card_from_json(std::string_view json) { return guarded_json(json, "the model card", card_from); }

Result<ForeignConfig> read_foreign_config(const std::string& path) {
  const Result<std::shared_ptr<const MappedFile>> file = MappedFile::open(path);
  if (!file) return file.error();
  const std::span<const std::byte> bytes = (*file)->bytes();
  return guarded_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "'" + path + "'", config_from);
}

std::string label_of(const ModelCard& card, int64_t class_id) {
  const size_t index = static_cast<size_t>(class_id);
  return class_id >= 0 && index < card.labels.size() ? card.labels[index] : std::to_string(class_id);
}

}  // namespace resnetft
