// SPDX-License-Identifier: MIT
#include "resnetft/model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "base/atomic_file.h"
#include "model/published.h"
#include "model/pytorch_zip.h"
#include "model/safetensors_file.h"
#include "resnetft/log.h"
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

// What an application would show.
class Log {
 public:
  Log() {
    set_log_sink([this](LogLevel level, std::string_view line) {
      if (level == LogLevel::Warning) lines_ += std::string(line) + "\n";
    });
  }
  ~Log() { set_log_sink({}); }
  size_t warnings() const { return static_cast<size_t>(std::ranges::count(lines_, '\n')); }
  const std::string& lines() const { return lines_; }

 private:
  std::string lines_;
};

// A checkpoint without a card, as others write them.
std::string write_bare(const TemporaryFolder& folder, const FloatWeights& weights) {
  const std::string path = folder.file("bare.pth");
  const Result<ZipParts> parts = pytorch_zip_parts(weights, "");
  EXPECT_TRUE(write_file_atomically(path, parts->pieces).ok());
  return path;
}

constexpr const char* kPreprocess = R"("pretrained_cfg": {"tag": "a1_in1k", "input_size": [3, 288, 288],
  "crop_pct": 0.95, "interpolation": "bicubic", "mean": [0.5, 0.5, 0.5], "std": [1, 1, 1]})";

TEST(Model, AConfigBesideTheFileGivesPreprocessingAndLabels) {
  const TemporaryFolder folder;
  const std::string path = write_bare(folder, random_weights("resnet20", 2, 1));
  for (const std::string labels : {R"("label_names": ["yes", "no"])", R"("id2label": {"1": "no", "0": "yes"})"}) {
    testing::write_text(folder.file("config.json"), "{" + labels + ", " + kPreprocess + "}");
    const Log log;
    const auto model = load_model(path);
    ASSERT_TRUE(model.ok()) << to_string(model.error());
    const PreprocessSpec& spec = (*model)->card().preprocess;
    EXPECT_EQ((*model)->card().labels, (std::vector<std::string>{"yes", "no"}));
    EXPECT_EQ(spec.crop_width, 288);
    EXPECT_EQ(spec.resize, 303);  // floor(288 / 0.95)
    EXPECT_EQ(spec.interpolation, Interpolation::Bicubic);
    EXPECT_EQ(spec.mean[0], 0.5f);
    EXPECT_EQ(log.warnings(), 0u) << log.lines();
  }
}

TEST(Model, AConfigOfAnImagenetNetMeansTheThousandNames) {
  const TemporaryFolder folder;
  const std::string path = write_bare(folder, random_weights("resnet20", 1000, 1));
  testing::write_text(folder.file("config.json"), std::string(R"({"num_classes": 1000, )") + kPreprocess + "}");
  const auto model = load_model(path);
  ASSERT_TRUE(model.ok()) << to_string(model.error());
  EXPECT_EQ((*model)->card().labels.at(999), "toilet tissue");
}

TEST(Model, AConfigOfSomethingElseSaysNothing) {
  const TemporaryFolder folder;
  const std::string path = write_bare(folder, random_weights("resnet20", 2, 1));
  testing::write_text(folder.file("config.json"), R"({"editor": "vi"})");
  const Log log;
  const auto model = load_model(path);
  ASSERT_TRUE(model.ok()) << to_string(model.error());
  EXPECT_EQ((*model)->card().preprocess, PreprocessSpec());
  EXPECT_EQ(log.warnings(), 2u) << log.lines();
}

TEST(Model, AConfigThatCannotBeMeantIsNamed) {
  const TemporaryFolder folder;
  const std::string path = write_bare(folder, random_weights("resnet20", 2, 1));
  for (const char* config :
       {"{", "[]", R"({"mean": [0, 0, 0], "std": [0, 1, 1]})", R"({"mean": [0, 0, 0], "crop_pct": 1e-300})",
        R"({"input_size": [3, 1e300, 224]})", R"({"input_size": 224})",
        R"({"input_size": [3, 8, 8], "interpolation": 3})", R"({"id2label": {"0": "a", "7": "b"}})",
        R"({"id2label": {"0": "a", "x": "b"}})", R"({"label_names": [1]})"}) {
    testing::write_text(folder.file("config.json"), config);
    const auto model = load_model(path);
    ASSERT_FALSE(model.ok()) << config;
    EXPECT_EQ(model.error().code, ErrorCode::CorruptFile) << config;
    EXPECT_NE(model.error().message.find("config.json"), std::string::npos) << model.error().message;
  }
}

TEST(Model, WhatNobodySaysIsWarnedOfAndTaken) {
  const TemporaryFolder folder;
  const std::string path = write_bare(folder, random_weights("resnet20", 2, 1));
  const Log log;
  const auto model = load_model(path);
  ASSERT_TRUE(model.ok()) << to_string(model.error());
  EXPECT_EQ((*model)->card().architecture, "resnet20");
  EXPECT_EQ((*model)->card().num_classes, 2);
  EXPECT_TRUE((*model)->card().labels.empty());
  EXPECT_EQ((*model)->card().preprocess, PreprocessSpec());
  EXPECT_EQ(log.warnings(), 2u) << log.lines();
  EXPECT_NE(log.lines().find("--labels-file"), std::string::npos);
  const Log with_labels;
  ASSERT_TRUE(load_model(path, {.labels = {"a", "b"}}).ok());
  EXPECT_EQ(with_labels.warnings(), 1u) << with_labels.lines();
}

TEST(Model, LabelsOfTheOptionsMendTheCards) {
  const TemporaryFolder folder;
  const std::string path = folder.file("m.safetensors");
  const auto good = tiny_model(1);
  ModelCard card = good->card();
  card.labels = {"a", "b"};
  const FloatWeights& weights = *good->weights().value();
  ASSERT_TRUE(write_file_atomically(path, safetensors_parts(card, weights).all()).ok());
  const auto bad = load_model(path);
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(to_string(bad.error()), "weights '" + path +
                                        "': linear.weight is 3x64, the card names 2 labels; pass --labels-file with 3 "
                                        "lines");
  EXPECT_TRUE(load_model(path, {.labels = {"x", "y", "z"}}).ok());
  expect_incompatible(status_of(load_model(path, {.labels = {"x"}})), {"the label list names 1 labels", "3 lines"});
}

TEST(Model, AnotherArchitectureThanTheTensorsNamesTheOneThatFits) {
  const TemporaryFolder folder;
  const std::string path = write_bare(folder, random_weights("resnet18", 2, 1));
  expect_incompatible(status_of(load_model(path, {.architecture = "resnet34"})),
                      {"layer1.2.conv1.weight", "64x64x3x3", "missing", "pass --arch resnet18"});
  expect_incompatible(status_of(load_model(path, {.architecture = "resnet50"})),
                      {"layer1.0.conv1.weight", "is 64x64x3x3, not 64x64x1x1", "pass --arch resnet18"});
  EXPECT_EQ(load_model(path, {.architecture = "resnet19"}).error().code, ErrorCode::InvalidArgument);
  EXPECT_TRUE(load_model(path, {.architecture = "resnet18"}).ok());
}

FloatWeights with_prefix(const FloatWeights& weights, const std::string& prefix) {
  FloatWeights renamed;
  for (const auto& [name, tensor] : weights) renamed[prefix + name] = tensor;
  return renamed;
}

TEST(Model, WhatStandsBeforeTheNamesIsStripped) {
  const TemporaryFolder folder;
  const FloatWeights weights = random_weights("resnet20", 2, 1);
  for (const char* prefix : {"module.", "model.", "_orig_mod.", "module._orig_mod.", "backbone.net."}) {
    FloatWeights renamed = with_prefix(weights, prefix);
    renamed["n_averaged"] = {{}, {3}};
    const auto model = load_model(write_bare(folder, renamed));
    ASSERT_TRUE(model.ok()) << prefix << to_string(model.error());
    EXPECT_EQ((*(*model)->weights())->at("conv1.weight").values, weights.at("conv1.weight").values);
  }
}

TEST(Model, TwoNetworksSideBySideAreNotGuessedAt) {
  const TemporaryFolder folder;
  FloatWeights both = with_prefix(random_weights("resnet20", 2, 1), "encoder_q.");
  both.merge(with_prefix(random_weights("resnet20", 2, 2), "encoder_k."));
  expect_incompatible(status_of(load_model(write_bare(folder, both))), {"'encoder_k.'", "'encoder_q.'"});
}

TEST(Model, TensorsThatHaveNoPlaceAreNamed) {
  FloatWeights weights = random_weights("resnet20", 2, 1);
  weights["layer1.0.se.weight"] = {{1}, {1}};
  expect_incompatible(status_of(Model::create(card_of("", {}), weights)), {"layer1.0.se.weight", "no place"});
}

TEST(Model, WeightsWithoutStatisticsOrHeadOrOfAnotherSizeThanTheirShapeAreNamed) {
  FloatWeights weights = random_weights("resnet20", 2, 1);
  std::erase_if(weights, [](const auto& item) { return item.first.find("running") != std::string::npos; });
  expect_incompatible(status_of(Model::create(card_of("", {}), weights)), {"no running statistics", "card"});
  ModelCard card = card_of("resnet20", {});
  card.normalization = Normalization::Layer;
  EXPECT_TRUE(Model::create(card, weights).ok());

  weights = random_weights("resnet20", 2, 1);
  weights.erase("linear.weight");
  for (const char* architecture : {"", "resnet20"})
    expect_incompatible(status_of(Model::create(card_of(architecture, {}), weights)), {"no head"});
  weights = random_weights("resnet20", 2, 1);
  weights["bn1.bias"].values.pop_back();
  expect_incompatible(status_of(Model::create(card_of("", {}), weights)), {"bn1.bias", "is 16", "15 values"});
  weights["bn1.bias"].shape = {-1};
  expect_incompatible(status_of(Model::create(card_of("", {}), weights)), {"bn1.bias"});
}

TEST(Model, NegativeVariancesAreRefusedByNameAndZeroIsNot) {
  FloatWeights weights = random_weights("resnet20", 3, 1);
  weights["layer2.1.bn2.running_var"].values[3] = 0;  // what float16 makes of a dead channel's
  EXPECT_TRUE(Model::create(card_of("resnet20", {}), weights).ok());
  weights["layer2.1.bn2.running_var"].values[3] = -1e-30f;
  expect_incompatible(status_of(Model::create(card_of("resnet20", {}), weights)),
                      {"layer2.1.bn2.running_var", "negative variance"});
}

TEST(Model, NonFiniteValuesInAFilePassWhereTheyAreAllowed) {
  const TemporaryFolder folder;
  FloatWeights weights = random_weights("resnet20", 3, 1);
  weights["conv1.weight"].values[0] = std::numeric_limits<float>::quiet_NaN();
  const std::string path = write_bare(folder, weights);
  expect_incompatible(status_of(load_model(path)), {"conv1.weight", "not finite", path});
  EXPECT_TRUE(load_model(path, {.allow_non_finite = true}).ok());
}

TEST(Model, WeightsAreSharedWhileAnybodyHoldsThem) {
  const TemporaryFolder folder;
  const auto model = load_model(write_bare(folder, random_weights("resnet20", 3, 1)));
  ASSERT_TRUE(model.ok());
  const auto first = (*model)->weights(), second = (*model)->weights();
  EXPECT_EQ(first->get(), second->get());
}

TEST(Model, TheCardTravelsInsideAPytorchCheckpoint) {
  const TemporaryFolder folder;
  const auto model = tiny_model(1, {"p", "q", "r"});
  ASSERT_TRUE(save_model(*model, folder.file("m.pth")).ok());
  EXPECT_EQ(folder.entries(), 1u);
  const auto again = load_model(folder.file("m.pth"));
  ASSERT_TRUE(again.ok()) << to_string(again.error());
  EXPECT_EQ(card_to_json((*again)->card()), card_to_json(model->card()));
}

TEST(Model, OtherEndingsAndPlacesThatCannotBeWrittenAreNamed) {
  const TemporaryFolder folder;
  const auto model = tiny_model(1);
  EXPECT_EQ(save_model(*model, folder.file("m.onnx")).error().code, ErrorCode::InvalidArgument);
  const Status absent = save_model(*model, folder.file("absent/m.pth"));
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code, ErrorCode::Io);
  EXPECT_NE(absent.error().message.find("absent/m.pth"), std::string::npos);
}

// Runs where RESNETFT_PYTHON names a Python with torch and torchvision; the other way is checked by checkpoint_test.
TEST(Model, PytorchReadsWhatIsWrittenForIt) {
  const char* python = std::getenv("RESNETFT_PYTHON");
  if (!python) GTEST_SKIP() << "not tested: RESNETFT_PYTHON names no Python with torch and torchvision";
  const TemporaryFolder folder;
  const FloatWeights weights = random_weights("resnet18", 7, 1);
  ASSERT_TRUE(save_model(*Model::create(card_of("", {}), weights).value(), folder.file("m.pth")).ok());
  testing::write_text(folder.file("check.py"), R"(
import sys, torch, torchvision
for mapped in (False, True):
    state = torch.load(sys.argv[1], weights_only=True, mmap=mapped)
    torchvision.models.resnet18(num_classes=7).load_state_dict(state, strict=True)
assert state["bn1.num_batches_tracked"].dtype == torch.int64
print(repr(state["fc.weight"].double().sum().item()))
)");
  const std::string command =
      std::string(python) + " " + folder.file("check.py") + " " + folder.file("m.pth") + " > " + folder.file("sum");
  ASSERT_EQ(std::system(command.c_str()), 0);
  double sum = 0;
  for (const float value : weights.at("fc.weight").values) sum += value;
  EXPECT_NEAR(std::stod(testing::read_text(folder.file("sum"))), sum, 1e-9);
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
  testing::write_text(folder.file("l"), "\xef\xbb\xbfčtyři");
  EXPECT_EQ(read_labels_file(folder.file("l")).value(), (std::vector<std::string>{"čtyři"}));
  testing::write_text(folder.file("l"), "\xff\xfe");
  EXPECT_EQ(read_labels_file(folder.file("l")).error().code, ErrorCode::CorruptFile);
}

}  // namespace
}  // namespace resnetft
