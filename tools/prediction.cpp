// SPDX-License-Identifier: MIT
#include "prediction.h"

#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "json_text.h"

namespace resnetft::tool {
namespace {

std::string printable(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const unsigned char byte = static_cast<unsigned char>(c);
    char escaped[8];
    if (c == '\n') {
      result += "\\n";
    } else if (c == '\t') {
      result += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
      result += escaped;
    } else {
      result += c;
    }
  }
  return result;
}

// The shortest decimal that reads back as the same value.
template <class Value>
std::string shortest(Value value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string numbers(const std::vector<float>& values) {
  std::string text;
  for (const float value : values) text.append(text.empty() ? "" : " ").append(shortest(value));
  return text;
}

std::string fixed(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", value);
  return text;
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

std::string prediction_to_json(const Prediction& prediction, const PredictionParts& parts) {
  OrderedJson json;
  json["path"] = prediction.path;
  if (!prediction.judgement) {
    const Error& error = prediction.judgement.error();
    json["error"] = {{"code", error_name(error.code)}, {"message", to_string(error)}};
    return json_text(json);
  }
  json["top"] = OrderedJson::array();
  for (const ScoredClass& scored : prediction.judgement->top)
    json["top"].push_back({{"label", scored.label}, {"label-id", scored.label_id}, {"confidence", scored.confidence}});
  if (parts.logits) json["logits"] = prediction.judgement->logits;
  if (parts.embedding) json["embedding"] = prediction.judgement->embedding;
  return json_text(json);
}

std::string prediction_to_text(const Prediction& prediction, const PredictionParts& parts) {
  std::string text = printable(prediction.path) + ":";
  if (!prediction.judgement) return text + " error: " + printable(to_string(prediction.judgement.error())) + "\n";
  const char* separator = " ";
  for (const ScoredClass& scored : prediction.judgement->top) {
    text += separator + (scored.label.empty() ? "-" : printable(scored.label)) + " " + fixed(scored.confidence);
    separator = ", ";
  }
  if (parts.logits) text += "\n  logits " + numbers(prediction.judgement->logits);
  if (parts.embedding) text += "\n  embedding " + numbers(prediction.judgement->embedding);
  return text + "\n";
}

std::string csv_header(const PredictionParts& parts) {
  return std::string("path,rank,label,label-id,confidence,error-code,error-message") + (parts.logits ? ",logits" : "") +
         (parts.embedding ? ",embedding" : "") + "\r\n";
}

std::string prediction_to_csv(const Prediction& prediction, const PredictionParts& parts) {
  const std::string path = csv_field(prediction.path);
  if (!prediction.judgement) {
    const Error& error = prediction.judgement.error();
    return path + ",,,,," + std::string(error_name(error.code)) + "," + csv_field(to_string(error)) +
           (parts.logits ? "," : "") + (parts.embedding ? "," : "") + "\r\n";
  }
  std::string rows;
  int rank = 0;
  for (const ScoredClass& scored : prediction.judgement->top) {
    rows += path + "," + std::to_string(++rank) + "," + csv_field(scored.label) + "," +
            std::to_string(scored.label_id) + "," + shortest(scored.confidence) + ",,";
    if (parts.logits) rows.append(",").append(numbers(prediction.judgement->logits));
    if (parts.embedding) rows.append(",").append(numbers(prediction.judgement->embedding));
    rows += "\r\n";
  }
  return rows;
}

}  // namespace resnetft::tool
