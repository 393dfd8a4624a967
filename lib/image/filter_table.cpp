// SPDX-License-Identifier: MIT
#include "image/filter_table.h"

#include <algorithm>

namespace resnetft {
namespace {

struct Taps {
  int first, last;
  double centre;
};

// The last source pixels are not read where they do not count: of an axis that keeps its size, one for each output. The
// first stay, so that they never go back from one output to the next: a stream of rows relies on it.
void drop_last_zeros(Taps& taps, std::vector<int32_t>& weights) {
  while (weights.size() > 1 && weights.back() == 0) {
    weights.pop_back();
    --taps.last;
  }
}

struct Filter {
  bool bicubic;
  double scale, stretch;
  int source_size;

  Taps taps(int output) const {
    const double support = filter_support(bicubic) * stretch, centre = (output + 0.5) * scale;
    return {std::max(0, static_cast<int>(centre - support + 0.5)),
            std::min(source_size, static_cast<int>(centre + support + 0.5)), centre};
  }

  void weigh(Taps& taps, std::vector<double>& values, std::vector<int32_t>& weights) const {
    const double inverse = 1.0 / stretch;
    double sum = 0.0;
    values.clear();
    for (int x = taps.first; x < taps.last; ++x) {
      const double distance = (x - taps.centre + 0.5) * inverse;
      values.push_back(bicubic ? cubic_filter(distance) : triangle_filter(distance));
      sum += values.back();
    }
    weights.clear();
    for (const double value : values) weights.push_back(to_fixed_point(value / sum));
    drop_last_zeros(taps, weights);
  }
};

int groups_of(int taps) { return (taps + kGroupTaps - 1) / kGroupTaps; }

}  // namespace

void make_filter_table(const Axis& axis, int source_size, Interpolation interpolation, bool mirrored, int block,
                       const RowKernels& kernels, FilterTable& table) {
  const double scale = static_cast<double>(source_size) / axis.full;
  const Filter filter = {interpolation == Interpolation::Bicubic, scale, std::max(scale, 1.0), source_size};
  int most = 1;
  for (int i = 0; i < axis.count; ++i) {
    const Taps taps = filter.taps(axis.offset + i);
    most = std::max(most, taps.last - taps.first);
  }
  const int outputs = (axis.count + block - 1) / block * block;
  table.groups = groups_of(most);
  table.first.assign(static_cast<size_t>(outputs), 0);
  table.last.assign(static_cast<size_t>(outputs), 0);
  table.weights.resize(FilterTable::group_offset(outputs + block - 1, 0, table.groups, block));

  std::vector<double> values;
  std::vector<int32_t> weights;
  for (int i = 0; i < outputs; ++i) {
    Taps taps = filter.taps(axis.offset + std::min(i, axis.count - 1));
    filter.weigh(taps, values, weights);
    if (mirrored) std::reverse(weights.begin(), weights.end());
    weights.resize(static_cast<size_t>(table.groups * kGroupTaps), 0);
    table.first[static_cast<size_t>(i)] = mirrored ? source_size - taps.last : taps.first;
    table.last[static_cast<size_t>(i)] = mirrored ? source_size - taps.first : taps.last;
    for (int group = 0; group < table.groups; ++group)
      kernels.store_group(weights.data() + group * kGroupTaps,
                          table.weights.data() + FilterTable::group_offset(i, group, table.groups, block));
  }
}

}  // namespace resnetft
