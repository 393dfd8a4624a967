// SPDX-License-Identifier: MIT
// Lines over an axis, as SVG: the curves of a training run and of lr-find.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace resnetft {

struct ChartLine {
  std::string name;
  std::vector<std::pair<double, double>> points;  // those that are not finite are left out
};
struct Chart {
  std::string title;
  std::string x_label;
  std::vector<ChartLine> lines;
  bool logarithmic_x = false;  // x above 0
};

// An <svg> element for a page; its text takes the page's colour.
std::string chart_to_svg(const Chart& chart);
// The same as a file of its own.
std::string chart_to_svg_file(const Chart& chart);

}  // namespace resnetft
