// SPDX-License-Identifier: MIT
// The card as JSON, and the config.json that timm and Hugging Face lay beside their weights.
#include "model/model_card.h"

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "model/json_depth.h"
#include "model/normalization.h"

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
  read_field(json, "resize", spec.resize);
  read_field(json, "crop", crop);
  read_field(json, "mean", spec.mean);
  read_field(json, "std", spec.std);
  spec.crop_width = crop[0];
  spec.crop_height = crop[1];
  if (const Result<Preprocessor> check = Preprocessor::create(spec); !check) throw BadField{check.error().message};
  return spec;
}

ModelCard card_from(const Json& json) {
  if (!json.is_object()) throw BadField{"it is not an object"};
  ModelCard card;
  read_field(json, "architecture", card.architecture);
  read_field(json, "num-classes", card.num_classes);
  read_field(json, "labels", card.labels);
  card.normalization = normalization_from(json);
  if (json.contains("preprocess")) card.preprocess = preprocess_from(json["preprocess"]);
  read_field(json, "temperature", card.temperature);
  if (!std::isfinite(card.temperature) || card.temperature <= 0) throw BadField{"'temperature' is not positive"};
  if (json.contains("provenance")) card.provenance_json = json["provenance"].dump();
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
  }
}

// timm: pretrained_cfg, or the same keys at the top. crop_pct is crop / resize.
void apply_config(const Json& json, ForeignConfig& config) {
  const auto inner = json.find("pretrained_cfg");
  const Json& source = inner != json.end() && inner->is_object() ? *inner : json;
  std::array<int, 3> input = {3, config.preprocess.crop_height, config.preprocess.crop_width};
  double crop_pct = 0.875;
  read_field(source, "input_size", input);
  read_field(source, "crop_pct", crop_pct);
  read_field(source, "mean", config.preprocess.mean);
  read_field(source, "std", config.preprocess.std);
  config.preprocess.interpolation =
      value_from(kInterpolations, source, "interpolation", config.preprocess.interpolation);
  if (!(crop_pct > 0 && crop_pct <= 1)) throw BadField{"'crop_pct' is outside 0 to 1"};
  config.preprocess.crop_height = input[1];
  config.preprocess.crop_width = input[2];
  config.preprocess.resize = static_cast<int>(std::floor(std::min(input[1], input[2]) / crop_pct));
  read_field(json, "architecture", config.architecture);
  read_field(json, "label_names", config.labels);
  if (const auto names = json.find("id2label"); names != json.end() && names->is_object()) {
    config.labels.assign(names->size(), "");
    for (const auto& [id, name] : names->items()) {
      const size_t index = std::strtoul(id.c_str(), nullptr, 10);
      if (index >= config.labels.size() || !name.is_string()) throw BadField{"'id2label' has an odd entry " + id};
      config.labels[index] = name.get<std::string>();
    }
  }
  if (const Result<Preprocessor> check = Preprocessor::create(config.preprocess); !check)
    throw BadField{check.error().message};
}

}  // namespace

Json preprocess_to_json(const PreprocessSpec& spec) {
  return {{"mode", name_of(kModes, spec.mode)},
          {"interpolation", name_of(kInterpolations, spec.interpolation)},
          {"resize", spec.resize},
          {"crop", {spec.crop_width, spec.crop_height}},
          {"mean", spec.mean},
          {"std", spec.std}};
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
  return guarded_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "'" + path + "'",
                      [](const Json& json) {
                        if (!json.is_object()) throw BadField{"it is not an object"};
                        ForeignConfig config;
                        apply_config(json, config);
                        return config;
                      });
}

std::string label_of(const ModelCard& card, int64_t class_id) {
  const size_t index = static_cast<size_t>(class_id);
  return class_id >= 0 && index < card.labels.size() ? card.labels[index] : std::to_string(class_id);
}

}  // namespace resnetft
