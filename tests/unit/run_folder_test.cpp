// SPDX-License-Identifier: MIT
#include "train/run_folder.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace resnetft {
namespace {

namespace fs = std::filesystem;

class RunFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "run-folder-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    path_ = root_ + "/runs/one";
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string read(const std::string& name) const {
    std::ifstream file(path_ + name);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  std::string root_, path_;
};

EpochReport epoch(uint32_t number, double loss) {
  EpochReport report;
  report.epoch = number;
  report.learning_rate = 0.1;
  report.train_loss = loss;
  report.validation = ClassificationScores{};
  report.validation->top1 = 0.5;
  return report;
}

TEST_F(RunFolderTest, EachEpochIsALineOfBothFiles) {
  Result<RunFolder> folder = RunFolder::open(path_, RunStart::New);
  ASSERT_TRUE(folder) << to_string(folder.error());
  ASSERT_TRUE(folder->add_epoch(epoch(0, 9)));
  ASSERT_TRUE(folder->add_epoch(epoch(1, 0.25)));
  std::istringstream lines(read("/metrics.jsonl"));
  std::string base, first;
  std::getline(lines, base);
  std::getline(lines, first);
  EXPECT_FALSE(nlohmann::json::parse(base).contains("train-loss"));  // nothing was trained yet
  EXPECT_EQ(nlohmann::json::parse(first)["train-loss"], 0.25);
  EXPECT_EQ(nlohmann::json::parse(first)["validation"]["top1"], 0.5);
  const std::string csv = read("/summary.csv");
  EXPECT_NE(csv.find("\n0,,,,0,0.5,0,0,0,,,,,,0,0,,0\n"), std::string::npos) << csv;
  EXPECT_NE(csv.find("\n1,0.1,0.25,0,0,0.5,0,0,0,,,,,,0,0,,0\n"), std::string::npos) << csv;
  const auto commas = [](std::string_view line) { return std::count(line.begin(), line.end(), ','); };
  EXPECT_EQ(commas(csv.substr(0, csv.find('\n'))), commas(csv.substr(csv.rfind("\n1,") + 1)));
}

TEST_F(RunFolderTest, AResumedRunCutsItsFilesBackToItsCheckpoint) {
  {
    Result<RunFolder> folder = RunFolder::open(path_, RunStart::New);
    for (uint32_t i = 1; i <= 3; ++i) ASSERT_TRUE(folder->add_epoch(epoch(i, i)));
  }
  Result<RunFolder> folder = RunFolder::open(path_, RunStart::Resume);
  ASSERT_TRUE(folder->add_epoch(epoch(2, 20)));
  const std::string json = read("/metrics.jsonl");
  EXPECT_NE(json.find("\"train-loss\":1.0"), std::string::npos) << json;
  EXPECT_NE(json.find("\"train-loss\":20.0"), std::string::npos) << json;
  EXPECT_EQ(json.find("\"epoch\":3"), std::string::npos) << json;
  EXPECT_EQ(read("/summary.csv").find("\n3,"), std::string::npos);
}

TEST_F(RunFolderTest, LinesThatAreNoEpochsAreDroppedOnResume) {
  { ASSERT_TRUE(RunFolder::open(path_, RunStart::New)); }
  std::ofstream(path_ + "/metrics.jsonl") << "{\"epoch\":1,\"x\":1}\n{\"epo\n[1]\n{\"epoch\":-1}\n";
  Result<RunFolder> folder = RunFolder::open(path_, RunStart::Resume);
  ASSERT_TRUE(folder->add_epoch(epoch(2, 2)));
  EXPECT_EQ(read("/metrics.jsonl").substr(0, 18), "{\"epoch\":1,\"x\":1}\n");
  EXPECT_EQ(read("/metrics.jsonl").find("-1"), std::string::npos);
}

TEST_F(RunFolderTest, ANewRunIsNotMixedWithOneThatIsThere) {
  Result<RunFolder> folder = RunFolder::open(path_, RunStart::New);
  ASSERT_TRUE(folder->write_arguments("[train]\n"));
  ASSERT_TRUE(RunFolder::open(path_, RunStart::New));  // nothing that could be lost yet
  std::ofstream(folder->checkpoint_folder() + "/checkpoint-1") << "x";
  const Result<RunFolder> again = RunFolder::open(path_, RunStart::New);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::Incompatible);
  EXPECT_NE(again.error().hint.find("--resume auto"), std::string::npos);
  EXPECT_TRUE(RunFolder::open(path_, RunStart::Resume));
}

TEST_F(RunFolderTest, OnlyAFolderWithoutFilesIsTakenAway) {
  Result<RunFolder> folder = RunFolder::open(path_, RunStart::New);
  folder->remove_if_empty();
  EXPECT_FALSE(fs::exists(path_));
  folder = RunFolder::open(path_, RunStart::New);
  ASSERT_TRUE(folder->write_arguments("x"));
  folder->remove_if_empty();
  EXPECT_EQ(read("/args.ini"), "x");
}

TEST_F(RunFolderTest, AFileInTheWayIsAnIoErrorWithItsName) {
  std::ofstream(root_ + "/runs") << "x";
  const Result<RunFolder> folder = RunFolder::open(path_, RunStart::New);
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().code, ErrorCode::Io);
  EXPECT_NE(folder.error().message.find(path_), std::string::npos);
}

TEST(TrainingCharts, ShowTheAveragedWeightsOnlyWhereThereAreSome) {
  std::vector<EpochReport> history = {epoch(0, 0), epoch(1, 2), epoch(2, 1)};
  std::vector<Chart> charts = training_charts(history);
  ASSERT_EQ(charts.size(), 3u);
  EXPECT_EQ(charts[0].lines.size(), 2u);
  EXPECT_EQ(charts[0].lines[0].points.size(), 2u);  // epoch 0 has no training loss
  EXPECT_EQ(charts[0].lines[1].points.size(), 3u);
  history[2].validation_ema = ClassificationScores{};
  EXPECT_EQ(training_charts(history)[0].lines.at(2).points.size(), 1u);
}

}  // namespace
}  // namespace resnetft
