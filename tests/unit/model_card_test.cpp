// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "resnetft/model.h"
#include "tests/support/tiny_model.h"

namespace resnetft {
namespace {

using Json = nlohmann::json;

ModelCard full_card() {
  ModelCard card;
  card.architecture = "resnet34";
  card.num_classes = 2;
  card.labels = {"köttur", "dog \"rex\""};
  card.normalization = Normalization::Group;
  card.preprocess.mode = ResizeMode::Letterbox;
  card.preprocess.interpolation = Interpolation::Bicubic;
  card.preprocess.resize = 0;
  card.preprocess.crop_width = 160;
  card.preprocess.crop_height = 96;
  card.preprocess.mean = {0.1f, 0.485f, 1.0f / 3.0f};
  card.preprocess.std = {1.0f, 0.229f, 1e-7f};
  card.temperature = 1.75;
  card.provenance_json = R"({"parent":"abc","seed":7})";
  return card;
}

TEST(ModelCard, EveryFieldComesBack) {
  const ModelCard card = full_card();
  const Result<ModelCard> again = card_from_json(card_to_json(card));
  ASSERT_TRUE(again.ok()) << to_string(again.error());
  EXPECT_EQ(again->architecture, card.architecture);
  EXPECT_EQ(again->num_classes, card.num_classes);
  EXPECT_EQ(again->labels, card.labels);
  EXPECT_EQ(again->normalization, card.normalization);
  EXPECT_EQ(again->preprocess, card.preprocess);
  EXPECT_EQ(again->temperature, card.temperature);
  EXPECT_EQ(Json::parse(again->provenance_json), Json::parse(card.provenance_json));
}

TEST(ModelCard, ColoursAreWrittenAsTheyAreSaid) {
  EXPECT_NE(card_to_json(ModelCard()).find(R"("mean":[0.485,0.456,0.406])"), std::string::npos)
      << card_to_json(ModelCard());
}

TEST(ModelCard, NamesTheFieldThatIsMissingOrOfAnotherKind) {
  const Json good = Json::parse(card_to_json(full_card()));
  const auto expect_named = [&](const char* pointer, const Json& value, std::string_view name) {
    Json json = good;
    json[Json::json_pointer(pointer)] = value;
    const Result<ModelCard> card = card_from_json(json.dump());
    ASSERT_FALSE(card.ok()) << pointer << " " << value;
    EXPECT_EQ(card.error().code, ErrorCode::CorruptFile);
    EXPECT_NE(card.error().message.find(name), std::string::npos) << card.error().message;
  };
  expect_named("/architecture", 3, "'architecture'");
  expect_named("/architecture", "", "'architecture'");
  expect_named("/num-classes", "two", "'num-classes'");
  expect_named("/num-classes", 1e300, "'num-classes'");
  expect_named("/num-classes", uint64_t{1} << 63, "'num-classes'");
  expect_named("/labels", {1, 2}, "'labels'");
  expect_named("/normalization", "instance", "'normalization'");
  expect_named("/preprocess", {1}, "'preprocess'");
  expect_named("/preprocess/mode", "zoom", "'mode'");
  expect_named("/preprocess/resize", 2.5, "'resize'");
  expect_named("/preprocess/resize", -1, "resize");
  expect_named("/preprocess/crop", {224}, "'crop'");
  expect_named("/preprocess/crop", {224, 1e10}, "'crop'");
  expect_named("/preprocess/mean", {0, 0}, "'mean'");
  expect_named("/preprocess/std", {0, 1, 1}, "std");
  expect_named("/temperature", 0, "'temperature'");
  expect_named("/provenance", {1}, "'provenance'");
  for (const char* key : {"architecture", "preprocess"}) {
    Json json = good;
    json.erase(key);
    const Result<ModelCard> card = card_from_json(json.dump());
    ASSERT_FALSE(card.ok()) << key;
    EXPECT_NE(card.error().message.find(key), std::string::npos);
  }
}

TEST(ModelCard, WhatIsNoJsonOrTooDeepIsCorrupt) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("nul"), std::string(1 << 20, '['),
        std::string("{\"a\":\"\xff\"}"), std::string(17 << 20, ' ')})
    EXPECT_EQ(card_from_json(text).error().code, ErrorCode::CorruptFile);
}

TEST(ModelCard, ALabelIsItsNumberWhereThereIsNoName) {
  const ModelCard card = full_card();
  EXPECT_EQ(label_of(card, 1), "dog \"rex\"");
  EXPECT_EQ(label_of(card, 2), "2");
  EXPECT_EQ(label_of(card, -1), "-1");
}

}  // namespace
}  // namespace resnetft
