// SPDX-License-Identifier: MIT
#include "train/report_chart.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/formatted.h"
#include "train/report.h"

namespace resnetft {
namespace {

constexpr double kWidth = 640, kHeight = 280, kLeft = 60, kRight = 16, kTop = 44, kBottom = 44;
// Apart from each other in hue and lightness, readable on white and on black.
constexpr std::array kColours = {"#3b82c4", "#d9663a", "#3f9b5a", "#a06cc0"};

struct Range {
  double low = 0, high = 0;
  bool empty = true;

  void add(double value) {
    low = empty ? value : std::min(low, value);
    high = empty ? value : std::max(high, value);
    empty = false;
  }
};

// 1, 2 or 5 times a power of ten: about five of them in the range.
double tick_step(const Range& range) {
  const double rough = (range.high - range.low) / 5;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (rough <= factor * power) return factor * power;
  return 10 * power;
}

// Places of values in the picture.
struct Plot {
  Range x, y;
  bool logarithmic_x;

  double across(double value) const {
    const double at = logarithmic_x ? std::log10(value) : value;
    return kLeft + (kWidth - kLeft - kRight) * (at - x.low) / (x.high - x.low);
  }
  double down(double value) const {
    return kHeight - kBottom - (kHeight - kTop - kBottom) * (value - y.low) / (y.high - y.low);
  }
};

bool is_shown(const Chart& chart, const std::pair<double, double>& point) {
  return std::isfinite(point.first) && std::isfinite(point.second) && (!chart.logarithmic_x || point.first > 0);
}

// A range without width gets one.
void widen(Range& range) {
  if (range.high > range.low) return;
  range.low -= 0.5;
  range.high += 0.5;
}

Plot plot_of(const Chart& chart) {
  Plot plot{{}, {}, chart.logarithmic_x};
  for (const ChartLine& line : chart.lines)
    for (const auto& point : line.points) {
      if (!is_shown(chart, point)) continue;
      plot.x.add(chart.logarithmic_x ? std::log10(point.first) : point.first);
      plot.y.add(point.second);
    }
  widen(plot.x);
  widen(plot.y);
  return plot;
}

std::string text_at(double x, double y, const char* anchor, const std::string& text) {
  return formatted("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" font-size=\"12\" fill=\"currentColor\">", x, y,
                   anchor) +
         html_escaped(text) + "</text>\n";
}

std::string grid_line(double x1, double y1, double x2, double y2) {
  return formatted("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"currentColor\" opacity=\".2\"/>", x1,
                   y1, x2, y2);
}

std::string axes_svg(const Plot& plot) {
  std::string svg;
  const double y_step = tick_step(plot.y);
  for (double tick = std::ceil(plot.y.low / y_step) * y_step; tick <= plot.y.high + y_step / 1e6; tick += y_step)
    svg += grid_line(kLeft, plot.down(tick), kWidth - kRight, plot.down(tick)) +
           text_at(kLeft - 6, plot.down(tick) + 4, "end", formatted("%.4g", std::abs(tick) < y_step / 1e6 ? 0 : tick));
  const double x_step = plot.logarithmic_x ? 1 : std::max(1.0, tick_step(plot.x));
  for (double tick = std::ceil(plot.x.low / x_step) * x_step; tick <= plot.x.high + x_step / 1e6; tick += x_step) {
    const double value = plot.logarithmic_x ? std::pow(10, tick) : tick;
    svg += grid_line(plot.across(value), kTop, plot.across(value), kHeight - kBottom) +
           text_at(plot.across(value), kHeight - kBottom + 16, "middle", formatted("%.4g", value));
  }
  return svg;
}

std::string line_svg(const Chart& chart, const ChartLine& line, const Plot& plot, const char* colour) {
  std::string points;
  size_t shown = 0;
  double x = 0, y = 0;
  for (const auto& point : line.points) {
    if (!is_shown(chart, point)) continue;
    x = plot.across(point.first), y = plot.down(point.second);
    points += formatted("%.1f,%.1f ", x, y);
    ++shown;
  }
  if (shown == 1) return formatted("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x, y, colour);
  return "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"" + std::string(colour) + "\" points=\"" + points +
         "\"/>\n";
}

std::string chart_svg(const Chart& chart, const char* attributes) {
  const Plot plot = plot_of(chart);
  std::string svg = std::string("<svg role=\"img\" ") + attributes + "aria-label=\"" + html_escaped(chart.title) +
                    formatted("\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\">\n", kWidth, kHeight, kWidth) +
                    text_at(kLeft, 16, "start", chart.title) + axes_svg(plot) +
                    text_at((kLeft + kWidth - kRight) / 2, kHeight - 8, "middle", chart.x_label);
  double legend = kLeft;
  for (size_t i = 0; i < chart.lines.size(); ++i) {
    const char* colour = kColours[i % kColours.size()];
    svg += formatted("<rect x=\"%.0f\" y=\"26\" width=\"10\" height=\"10\" fill=\"%s\"/>", legend, colour) +
           text_at(legend + 15, 35, "start", chart.lines[i].name) + line_svg(chart, chart.lines[i], plot, colour);
    legend += 40 + 7 * static_cast<double>(chart.lines[i].name.size());
  }
  return svg + "</svg>\n";
}

}  // namespace

std::string chart_to_svg(const Chart& chart) { return chart_svg(chart, ""); }

std::string chart_to_svg_file(const Chart& chart) {
  return chart_svg(chart, "xmlns=\"http://www.w3.org/2000/svg\" font-family=\"sans-serif\" ");
}

}  // namespace resnetft
