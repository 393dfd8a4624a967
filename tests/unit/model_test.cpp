// SPDX-License-Identifier: MIT
#include "resnetft/model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "model/published.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"
#include "tests/support/tiny_model.h"

namespace resnetft {
namespace {

using testing::random_weights;
using testing::TemporaryFolder;
using testing::tiny_model;

ModelCard card_of(std::string architecture, std::vector<std::string> labels) {
  ModelCard card;
  card.architecture = std::move(architecture);
  card.labels = std::move(labels);
  return card;
}

void expect_incompatible(const Status& status, std::initializer_list<std::string_view> words) {
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::Incompatible);
  for (const std::string_view word : words)
    EXPECT_NE(to_string(status.error()).find(word), std::string::npos) << to_string(status.error());
}

Status status_of(const Result<std::shared_ptr<const Model>>& model) {
  return model ? Status::success() : Status(model.error());
}

TEST(Model, PublishedCifarFilesAreReadWithLabelsAndPreprocessing) {
  RESNETFT_SHARED_DATA(path, "weights/resnet20-12fca82f.th");
  const auto model = load_model(path);
  ASSERT_TRUE(model.ok()) << to_string(model.error());
  const ModelCard& card = (*model)->card();
  EXPECT_EQ(card.architecture, "resnet20");
  EXPECT_EQ(card.num_classes, 10);
  EXPECT_EQ(card.labels.at(9), "truck");
  EXPECT_EQ(card.preprocess.resize, 32);
  EXPECT_EQ(card.preprocess.crop_width, 32);
  EXPECT_TRUE((*model)->sha256().starts_with("12fca82f"));
  const auto weights = (*model)->weights();
  ASSERT_TRUE(weights.ok());
  EXPECT_EQ((*weights)->at("linear.weight").shape, (std::vector<int64_t>{10, 64}));
}

TEST(Model, EveryArchitectureIsFoundFromItsTensors) {
  for (const Architecture& architecture : architectures()) {
    if (parameter_count(architecture, 7) > 30'000'000) continue;  // the shapes say all; the large ones cost seconds
    const auto model = Model::create(card_of("", {}), random_weights(architecture.name, 7, 1));
    ASSERT_TRUE(model.ok()) << architecture.name << ": " << to_string(model.error());
    EXPECT_EQ((*model)->card().architecture, architecture.name);
    EXPECT_EQ((*model)->card().num_classes, 7);
  }
}

TEST(Model, WeightsThatDoNotFitNameTheTensorAndBothShapes) {
  FloatWeights weights = random_weights("resnet20", 3, 1);
  weights["layer2.0.conv1.weight"].shape = {32, 8, 3, 3};
  weights["layer2.0.conv1.weight"].values.resize(32 * 8 * 9);
  expect_incompatible(status_of(Model::create(card_of("resnet20", {}), weights)),
                      {"layer2.0.conv1.weight", "32x8x3x3", "32x16x3x3", "--arch"});
  weights = random_weights("resnet20", 3, 1);
  weights.erase("layer3.2.bn2.bias");
  expect_incompatible(status_of(Model::create(card_of("resnet20", {}), weights)), {"layer3.2.bn2.bias", "missing"});
}

TEST(Model, LabelsThatDoNotFitNameBothCountsAndTheOption) {
  expect_incompatible(status_of(Model::create(card_of("resnet20", {"a", "b"}), random_weights("resnet20", 3, 1))),
                      {"linear.weight is 3x64", "2 labels", "--labels-file", "3 lines"});
}

TEST(Model, ValuesThatAreNotFiniteAreRefusedByName) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    FloatWeights weights = random_weights("resnet20", 3, 1);
    weights["layer1.1.conv2.weight"].values[5] = bad;
    expect_incompatible(status_of(Model::create(card_of("resnet20", {}), weights)),
                        {"layer1.1.conv2.weight", "not finite", "--allow-non-finite"});
  }
}

TEST(Model, SafetensorsKeepTheCardAndEveryBit) {
  const TemporaryFolder folder;
  const std::string path = folder.file("m.safetensors");
  const auto model = tiny_model(1, {"a \"quoted\" label", "zwei, drei", "čtyři"});
  ASSERT_TRUE(save_model(*model, path).ok());
  const auto again = load_model(path);
  ASSERT_TRUE(again.ok()) << to_string(again.error());
  EXPECT_EQ(card_to_json((*again)->card()), card_to_json(model->card()));
  EXPECT_EQ((*again)->sha256(), model->sha256());
  const auto before = model->weights(), after = (*again)->weights();
  ASSERT_EQ((*before)->size(), (*after)->size());
  for (const auto& [name, tensor] : **before) EXPECT_EQ(tensor.values, (*after)->at(name).values) << name;
}

TEST(Model, PytorchCheckpointsOfOursAreReadBack) {
  const TemporaryFolder folder;
  const std::string path = folder.file("m.pth");
  const auto model = tiny_model(1);
  ASSERT_TRUE(save_model(*model, path).ok());
  const auto again = load_model(path, {.labels = {"x", "y", "z"}});
  ASSERT_TRUE(again.ok()) << to_string(again.error());
  EXPECT_EQ((*again)->card().labels, (std::vector<std::string>{"x", "y", "z"}));
  const auto before = model->weights(), after = (*again)->weights();
  for (const auto& [name, tensor] : **before) EXPECT_EQ(tensor.values, (*after)->at(name).values) << name;
}

TEST(Model, TheCardBesideACheckpointOfOursIsRead) {
  const TemporaryFolder folder;
  const std::string path = folder.file("m.pth");
  const auto model = tiny_model(1, {"eins", "zwei", "drei"});
  ASSERT_TRUE(save_model(*model, path).ok());
  EXPECT_EQ(card_to_json((*load_model(path))->card()), card_to_json(model->card()));
  testing::write_text(path + ".json", "{}");
  const auto bad = load_model(path);
  ASSERT_FALSE(bad.ok());
  EXPECT_NE(bad.error().message.find("m.pth.json"), std::string::npos) << bad.error().message;
}

TEST(Model, AFileIsReadAgainWhenSomebodyAsksAndRefusedWhenItHasChanged) {
  const TemporaryFolder folder;
  const std::string path = folder.file("m.safetensors");
  ASSERT_TRUE(save_model(*tiny_model(1), path).ok());
  const auto model = load_model(path);
  ASSERT_TRUE(model.ok());
  const std::weak_ptr<const FloatWeights> first = (*model)->weights().value();
  EXPECT_TRUE(first.expired());
  EXPECT_TRUE((*model)->weights().ok());
  ASSERT_TRUE(save_model(*tiny_model(2), path).ok());
  const auto changed = (*model)->weights();
  ASSERT_FALSE(changed.ok());
  EXPECT_EQ(changed.error().code, ErrorCode::Incompatible);
}

TEST(Model, AMissingPublishedFileSaysWhereItIsOffered) {
  const auto known = load_model("absent/resnet18-f37072fd.pth");
  ASSERT_FALSE(known.ok());
  EXPECT_EQ(known.error().code, ErrorCode::NotFound);
  EXPECT_NE(known.error().hint.find("torchvision"), std::string::npos);
  const auto foreign = load_model("absent/mine.pth");
  ASSERT_FALSE(foreign.ok());
  EXPECT_EQ(foreign.error().hint.find("torchvision"), std::string::npos);
}

TEST(Model, AConfigBesideTheFileGivesPreprocessingAndLabels) {
  const TemporaryFolder folder;
  FloatWeights weights = random_weights("resnet20", 2, 1);
  ModelCard card = card_of("resnet20", {});
  ASSERT_TRUE(save_model(*Model::create(card, weights).value(), folder.file("m.pth")).ok());
  std::filesystem::remove(folder.file("m.pth.json"));  // as others write it
  testing::write_text(folder.file("config.json"),
                      R"({"label_names": ["yes", "no"], "pretrained_cfg": {"input_size": [3, 288, 288],
                          "crop_pct": 0.95, "interpolation": "bicubic", "mean": [0.5, 0.5, 0.5], "std": [1, 1, 1]}})");
  const auto model = load_model(folder.file("m.pth"));
  ASSERT_TRUE(model.ok()) << to_string(model.error());
  const PreprocessSpec& spec = (*model)->card().preprocess;
  EXPECT_EQ((*model)->card().labels, (std::vector<std::string>{"yes", "no"}));
  EXPECT_EQ(spec.crop_width, 288);
  EXPECT_EQ(spec.resize, 303);  // floor(288 / 0.95)
  EXPECT_EQ(spec.interpolation, Interpolation::Bicubic);
  EXPECT_EQ(spec.mean[0], 0.5f);
}

TEST(Model, PublishedFilesAreKnownByHashAndByName) {
  const PublishedFile* v2 = find_published_by_sha256("11ad3fa6" + std::string(56, '0'));
  ASSERT_NE(v2, nullptr);
  EXPECT_EQ(preprocess_of(*v2).resize, 232);
  EXPECT_EQ(v2->labels().size(), 1000u);
  EXPECT_EQ(v2->labels()[0], "tench");
  EXPECT_EQ(v2->labels()[999], "toilet tissue");
  EXPECT_EQ(find_published_by_sha256(std::string(64, '0')), nullptr);
  EXPECT_NE(find_published_by_name("resnet50.pth"), nullptr);
}

TEST(Labels, AreReadALineEachAndBlankLinesAtTheEndDoNotCount) {
  const TemporaryFolder folder;
  testing::write_text(folder.file("l"), "one\r\ntwo words\n\nfour\n\n");
  EXPECT_EQ(read_labels_file(folder.file("l")).value(), (std::vector<std::string>{"one", "two words", "", "four"}));
  testing::write_text(folder.file("l"), "\n");
  EXPECT_EQ(read_labels_file(folder.file("l")).error().code, ErrorCode::CorruptFile);
}

}  // namespace
}  // namespace resnetft
