// SPDX-License-Identifier: MIT
#include "train/report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace resnetft {
namespace {

// Three pictures of "cat", one named "<dog>"; one of "<dog>", named "cat"; "owl" has none.
Evaluation small_evaluation() {
  ClassificationMeter meter(3);
  meter.add(0, std::vector{0.8, 0.1, 0.1});
  meter.add(0, std::vector{0.7, 0.2, 0.1});
  meter.add(0, std::vector{0.1, 0.9, 0.0});
  meter.add(1, std::vector{0.6, 0.4, 0.0});
  Evaluation evaluation;
  evaluation.title = "a & b";
  evaluation.labels = {"cat", "<dog>", "owl"};
  evaluation.scores = meter.value();
  evaluation.facts = {{"model", "m.pth"}};
  evaluation.mistakes = {{"in/\"x\".jpg", "cat", "<dog>", 0.9, "\xff\xd8\xff"}};
  return evaluation;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(Report, ConfusionsComeMostFrequentFirstWithoutTheDiagonal) {
  ClassificationMeter meter(3);
  for (const auto& [truth, named, count] :
       {std::tuple(0, 1, 1), std::tuple(1, 0, 1), std::tuple(2, 0, 3), std::tuple(1, 1, 9)})
    for (int i = 0; i < count; ++i) {
      std::vector<double> confidences(3);
      confidences[static_cast<size_t>(named)] = 1;
      meter.add(static_cast<size_t>(truth), confidences);
    }
  const std::vector<Confusion> confusions = most_frequent_confusions(meter.value(), 2);
  ASSERT_EQ(confusions.size(), 2u);
  EXPECT_EQ(confusions[0].truth, 2u);
  EXPECT_EQ(confusions[0].images, 3);
  EXPECT_EQ(confusions[1].truth, 0u);
  EXPECT_EQ(confusions[1].named, 1u);
}

TEST(Report, TextListsClassesThatHaveImagesAndTheMistakes) {
  const std::string text = evaluation_to_text(small_evaluation());
  EXPECT_TRUE(has(text, "top-1             50.00 %\n")) << text;
  EXPECT_TRUE(has(text, "cat         3     0.6667  0.6667  0.6667\n")) << text;
  EXPECT_TRUE(has(text, "     1  cat named <dog>\n")) << text;
  EXPECT_FALSE(has(text, "owl")) << text;
}

TEST(Report, Utf8LabelsStandInLine) {
  Evaluation evaluation = small_evaluation();
  evaluation.labels[0] = "größe";
  const std::string text = evaluation_to_text(evaluation);
  EXPECT_TRUE(has(text, "größe         3 ")) << text;
  EXPECT_TRUE(has(text, "<dog>         1 ")) << text;
}

TEST(Report, JsonMembersHoldEveryClassAndTheWholeMatrix) {
  const Evaluation evaluation = small_evaluation();
  const nlohmann::json json =
      nlohmann::json::parse("{" + scores_to_json_members(evaluation.scores, evaluation.labels) + "}");
  EXPECT_EQ(json.at("images"), 4);
  EXPECT_EQ(json.at("top1"), 0.5);
  EXPECT_EQ(json.at("confusion"), (nlohmann::json{{2, 1, 0}, {1, 0, 0}, {0, 0, 0}}));
  EXPECT_EQ(json.at("classes").at(2).at("label"), "owl");
  EXPECT_EQ(json.at("classes").at(0).at("images"), 3);
}

TEST(Report, HtmlEscapesEveryTextThatIsNotItsOwn) {
  const std::string html = evaluation_to_html(small_evaluation());
  EXPECT_TRUE(has(html, "<title>a &amp; b</title>"));
  EXPECT_TRUE(has(html, "&lt;dog&gt;"));
  EXPECT_TRUE(has(html, "in/&quot;x&quot;.jpg"));
  EXPECT_FALSE(has(html, "<dog>"));
}

TEST(Report, HtmlHoldsPicturesAsBase64) {
  Evaluation evaluation = small_evaluation();
  EXPECT_TRUE(has(evaluation_to_html(evaluation), "data:image/jpeg;base64,/9j/\""));
  evaluation.mistakes[0].jpeg = "ab";
  EXPECT_TRUE(has(evaluation_to_html(evaluation), "data:image/jpeg;base64,YWI=\""));
  evaluation.mistakes[0].jpeg = "a";
  EXPECT_TRUE(has(evaluation_to_html(evaluation), "data:image/jpeg;base64,YQ==\""));
}

TEST(Report, ABarStandsForEachBinThatHasImages) {
  const std::string html = evaluation_to_html(small_evaluation());
  size_t bars = 0;
  for (size_t at = html.find("class=\"bar\""); at != std::string::npos; at = html.find("class=\"bar\"", at + 1)) ++bars;
  EXPECT_EQ(bars, 4u);  // 0.6, 0.7, 0.8, 0.9 fall into four bins
}

size_t count_of(const std::string& text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(Report, ATrainingRunShowsBothDiagramsItsCurvesAndDescriptions) {
  Evaluation evaluation = small_evaluation();
  EXPECT_EQ(count_of(evaluation_to_html(evaluation), "reliability diagram"), 1u);
  evaluation.calibrated = evaluation.scores;
  evaluation.calibration = "temperature <1.5>";
  evaluation.charts = {{"loss", "epoch", {{"training", {{1, 2.0}, {2, 1.0}}}}}};
  evaluation.descriptions = {{"Machine", {{"threads", "2"}}}};
  const std::string html = evaluation_to_html(evaluation);
  EXPECT_EQ(count_of(html, "reliability diagram"), 2u);
  EXPECT_TRUE(has(html, "temperature &lt;1.5&gt;"));
  EXPECT_TRUE(has(html, "<polyline"));
  EXPECT_TRUE(has(html, "<h2>Machine</h2>"));
  EXPECT_FALSE(has(html, "http:"));  // whole in itself
}

TEST(Report, AChartSpansItsPointsAndLeavesOutWhatIsNotFinite) {
  const Chart chart{"t", "epoch", {{"a", {{1, 0.5}, {2, NAN}, {3, 1.5}}}}};
  const std::string svg = chart_to_svg(chart);
  // 640 wide with 60 and 16 beside, 280 high with 44 above and below.
  EXPECT_TRUE(has(svg, "points=\"60.0,236.0 624.0,44.0 \"")) << svg;
  EXPECT_TRUE(has(chart_to_svg_file(chart), "xmlns="));
}

TEST(Report, ALogarithmicChartPutsTheGeometricMeanInTheMiddle) {
  const Chart chart{"t", "rate", {{"a", {{1e-4, 1}, {1e-2, 2}, {1, 3}}}}, true};
  EXPECT_TRUE(has(chart_to_svg(chart), "60.0,236.0 342.0,140.0 624.0,44.0"));
}

TEST(Report, ACurveOfOneEpochIsADot) {
  const std::string svg = chart_to_svg({"t", "epoch", {{"a", {{1, 0.5}}}, {"none", {}}}});
  EXPECT_TRUE(has(svg, "<circle cx=\"342.0\" cy=\"140.0\"")) << svg;
}

TEST(Report, AThousandClassesGetAListInsteadOfAMatrix) {
  ClassificationMeter meter(1000);
  std::vector<double> confidences(1000);
  confidences[7] = 1;
  meter.add(3, confidences);
  Evaluation evaluation;
  for (int i = 0; i < 1000; ++i) evaluation.labels.push_back("class " + std::to_string(i));
  evaluation.scores = meter.value();
  const std::string html = evaluation_to_html(evaluation);
  EXPECT_FALSE(has(html, "class=\"matrix\""));
  EXPECT_TRUE(has(html, "<td class=\"name\">class 3</td><td class=\"name\">class 7</td>"));
  EXPECT_LT(html.size(), size_t{100000});
}

}  // namespace
}  // namespace resnetft
