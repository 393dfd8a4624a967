// SPDX-License-Identifier: MIT
// The web page of an evaluation. Everything is inside: styles, the diagram as SVG, pictures as base64.
#include <algorithm>
#include <string>

#include "base/formatted.h"
#include "train/report.h"

namespace resnetft {
namespace {

constexpr size_t kMaxMatrixClasses = 50;
constexpr size_t kMaxConfusionsInList = 100;

// Colours carry contrast 4.5:1 in both schemes; the matrix and the bars use one hue.
constexpr char kStyle[] = R"(
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #ffffff; --line: #c8c8c8; --bar: #2f6fb0; --gap: #c2452d; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececec; --paper: #16181b; --line: #4a4d52; --bar: #6fa8dc; --gap: #f08a70; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid var(--line); }
th.name, td.name { text-align: left; } .scroll { overflow-x: auto; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; } dt { opacity: .75; } dd { margin: 0; overflow-wrap: anywhere; }
.totals { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; } .totals b { display: block; font-size: 1.6rem; font-weight: 600; }
.matrix td { min-width: 2.2rem; text-align: center; padding: .2rem .3rem; } .matrix td.right { outline: 1px solid var(--ink); outline-offset: -1px; }
.matrix thead th { vertical-align: bottom; } .matrix thead th span { writing-mode: vertical-rl; transform: rotate(180deg); }
.pair { display: flex; flex-wrap: wrap; gap: 1rem 2rem; } svg { max-width: 100%; height: auto; }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 1rem; }
figure { margin: 0; } figure img { width: 100%; max-width: 12rem; image-rendering: auto; border: 1px solid var(--line); }
figcaption { font-size: .85rem; overflow-wrap: anywhere; } figcaption i { opacity: .75; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg .axis { stroke: var(--line); } svg .bar { fill: var(--bar); }
svg .ideal { stroke: var(--gap); stroke-dasharray: 4 4; fill: none; }
)";

std::string base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t bits = 0;
    for (size_t j = 0; j < 3; ++j) bits = bits << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j) text += j <= count ? kDigits[bits >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

std::string total(const char* name, const std::string& value) {
  return "<div><b>" + value + "</b>" + name + "</div>\n";
}

std::string totals_html(const ClassificationScores& scores) {
  return "<div class=\"totals\">\n" + total("top-1", formatted("%.2f %%", 100 * scores.top1)) +
         total("top-5", formatted("%.2f %%", 100 * scores.top5)) + total("loss", formatted("%.4f", scores.loss)) +
         total("macro F1", formatted("%.4f", scores.macro_f1)) +
         total("calibration error", formatted("%.4f", scores.ece)) + total("images", std::to_string(scores.images)) +
         "</div>\n";
}

std::string facts_html(const Facts& facts) {
  std::string html = "<dl>\n";
  for (const auto& [name, value] : facts)
    html += "<dt>" + html_escaped(name) + "</dt><dd>" + html_escaped(value) + "</dd>\n";
  return html + "</dl>\n";
}

std::string matrix_cell(int64_t images, int64_t of, bool right) {
  const double share = of == 0 ? 0 : static_cast<double>(images) / static_cast<double>(of);
  const std::string shade =
      images == 0 ? "" : formatted(" style=\"background:rgb(47 111 176 / %.2f)\"", 0.08 + 0.5 * share);
  return std::string("<td") + (right ? " class=\"right\"" : "") + shade + ">" +
         (images == 0 ? "" : std::to_string(images)) + "</td>";
}

std::string matrix_html(const Evaluation& evaluation) {
  const ClassificationScores& scores = evaluation.scores;
  const size_t classes = scores.classes.size();
  std::string html = "<div class=\"scroll\"><table class=\"matrix\">\n<thead><tr><th class=\"name\">true \\ named</th>";
  for (const std::string& label : evaluation.labels) html += "<th><span>" + html_escaped(label) + "</span></th>";
  html += "</tr></thead>\n<tbody>\n";
  for (size_t truth = 0; truth < classes; ++truth) {
    html += "<tr><th class=\"name\">" + html_escaped(evaluation.labels[truth]) + "</th>";
    for (size_t named = 0; named < classes; ++named)
      html += matrix_cell(scores.confusion[truth * classes + named], scores.classes[truth].images, truth == named);
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string confusions_html(const Evaluation& evaluation) {
  std::string html = "<table>\n<tr><th>images</th><th class=\"name\">true</th><th class=\"name\">named</th></tr>\n";
  for (const Confusion& confusion : most_frequent_confusions(evaluation.scores, kMaxConfusionsInList))
    html += "<tr><td>" + std::to_string(confusion.images) + "</td><td class=\"name\">" +
            html_escaped(evaluation.labels[confusion.truth]) + "</td><td class=\"name\">" +
            html_escaped(evaluation.labels[confusion.named]) + "</td></tr>\n";
  return html + "</table>\n";
}

std::string classes_html(const Evaluation& evaluation) {
  std::string html =
      "<div class=\"scroll\"><table>\n<tr><th class=\"name\">class</th><th>images</th><th>precision</th><th>recall</th>"
      "<th>F1</th></tr>\n";
  for (size_t i = 0; i < evaluation.labels.size(); ++i) {
    const ClassScore& score = evaluation.scores.classes[i];
    if (score.images == 0) continue;
    html += "<tr><td class=\"name\">" + html_escaped(evaluation.labels[i]) + "</td><td>" +
            std::to_string(score.images) + "</td>" +
            formatted("<td>%.4f</td><td>%.4f</td><td>%.4f</td></tr>\n", score.precision, score.recall, score.f1);
  }
  return html + "</table></div>\n";
}

// Confidence to the right, accuracy upwards; a calibrated model's bars end on the dashed line.
std::string reliability_svg(const ClassificationScores& scores) {
  constexpr double kLeft = 40, kTop = 10, kSide = 300;
  std::string svg = "<svg role=\"img\" aria-label=\"reliability diagram\" viewBox=\"0 0 360 350\" width=\"420\">\n";
  for (int tick = 0; tick <= 5; ++tick) {
    const double share = tick / 5.0, x = kLeft + kSide * share, y = kTop + kSide * (1 - share);
    svg +=
        formatted("<line class=\"axis\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\"/>", kLeft, kLeft + kSide, y, y);
    svg += formatted("<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%.1f</text>", kLeft - 5, y + 4, share);
    svg += formatted("<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%.1f</text>\n", x, kTop + kSide + 16, share);
  }
  const double width = kSide / kCalibrationBins;
  for (size_t i = 0; i < kCalibrationBins; ++i) {
    const CalibrationBin& bin = scores.bins[i];
    if (bin.images == 0) continue;
    const double height = kSide * bin.accuracy;
    svg += formatted("<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">",
                     kLeft + width * static_cast<double>(i) + 1, kTop + kSide - height, width - 2, height);
    svg += formatted("<title>%lld images, confidence %.3f, accuracy %.3f</title></rect>\n",
                     static_cast<long long>(bin.images), bin.confidence, bin.accuracy);
  }
  svg += formatted("<line class=\"ideal\" x1=\"%.0f\" y1=\"%.0f\" x2=\"%.0f\" y2=\"%.0f\"/>\n", kLeft, kTop + kSide,
                   kLeft + kSide, kTop);
  return svg + "<text x=\"190\" y=\"345\" text-anchor=\"middle\">confidence (bars: accuracy)</text>\n</svg>\n";
}

std::string reliability_html(const Evaluation& evaluation) {
  if (!evaluation.calibrated) return reliability_svg(evaluation.scores);
  const auto figure = [](const char* when, const ClassificationScores& scores) {
    return "<figure>" + reliability_svg(scores) + "<figcaption>" + when +
           formatted(": calibration error %.4f, loss %.4f", scores.ece, scores.loss) + "</figcaption></figure>\n";
  };
  return "<p>" + html_escaped(evaluation.calibration) + "</p>\n<div class=\"pair\">\n" +
         figure("before temperature scaling", evaluation.scores) +
         figure("after it, cross-fitted", *evaluation.calibrated) + "</div>\n";
}

std::string charts_html(const Evaluation& evaluation) {
  if (evaluation.charts.empty()) return "";
  std::string html = "<h2>Curves</h2>\n<div class=\"pair\">\n";
  for (const Chart& chart : evaluation.charts) html += chart_to_svg(chart);
  return html + "</div>\n";
}

std::string descriptions_html(const Evaluation& evaluation) {
  std::string html;
  for (const auto& [heading, facts] : evaluation.descriptions)
    html += "<h2>" + html_escaped(heading) + "</h2>\n" + facts_html(facts);
  return html;
}

std::string mistakes_html(const std::vector<Mistake>& mistakes) {
  if (mistakes.empty()) return "<p>None.</p>\n";
  std::string html = "<div class=\"mistakes\">\n";
  for (const Mistake& mistake : mistakes) {
    html += "<figure>";
    if (!mistake.jpeg.empty()) html += "<img alt=\"\" src=\"data:image/jpeg;base64," + base64(mistake.jpeg) + "\">";
    html += "<figcaption>" + html_escaped(mistake.truth) + " named <b>" + html_escaped(mistake.named) + "</b> " +
            formatted("%.3f", mistake.confidence) + "<br><i>" + html_escaped(mistake.path) +
            "</i></figcaption></figure>\n";
  }
  return html + "</div>\n";
}

}  // namespace

std::string html_escaped(std::string_view text) {
  std::string html;
  for (const char c : text) {
    if (c == '&') {
      html += "&amp;";
    } else if (c == '<') {
      html += "&lt;";
    } else if (c == '>') {
      html += "&gt;";
    } else if (c == '"') {
      html += "&quot;";
    } else {
      html += c;
    }
  }
  return html;
}

std::string evaluation_to_html(const Evaluation& evaluation) {
  const bool small = evaluation.labels.size() <= kMaxMatrixClasses;
  const std::string title = html_escaped(evaluation.title);
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
         title + "</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n<h1>" + title + "</h1>\n" +
         totals_html(evaluation.scores) + facts_html(evaluation.facts) + charts_html(evaluation) +
         "<h2>Confusion</h2>\n" + (small ? matrix_html(evaluation) : confusions_html(evaluation)) +
         "<h2>Classes</h2>\n" + classes_html(evaluation) + "<h2>Reliability</h2>\n" + reliability_html(evaluation) +
         "<h2>Worst mistakes</h2>\n" + mistakes_html(evaluation.mistakes) + descriptions_html(evaluation) +
         "</body>\n</html>\n";
}

}  // namespace resnetft
