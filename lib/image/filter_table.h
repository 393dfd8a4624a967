// SPDX-License-Identifier: MIT
// The weights of one axis of a resize, in the order in which a kernel reads them.
#pragma once

#include <vector>

#include "image/geometry.h"
#include "image/row_kernels.h"
#include "image/row_memory.h"

namespace resnetft {

struct FilterTable {
  std::vector<int32_t> first;  // for each output, the first source pixel; filled up to a whole block
  std::vector<int32_t> last;   // behind the last source pixel that counts
  int groups = 0;              // groups of taps for each output, the same for all
  RowMemory weights;

  // The taps of one output for each of its groups, where outputs stand in blocks of `block`.
  static size_t group_offset(int output, int group, int groups, int block) {
    return ((static_cast<size_t>(output / block) * static_cast<size_t>(groups) + static_cast<size_t>(group)) *
                static_cast<size_t>(block) +
            static_cast<size_t>(output % block)) *
           kGroupBytes;
  }
};

// `mirrored`: the axis is read backwards. `block`: kBlockOutputs for filter_across, 1 for filter_down. Pillow's
// precompute_coeffs is the model: the antialiased filter grows with the scale and is cut off at the picture's border.
void make_filter_table(const Axis& axis, int source_size, Interpolation interpolation, bool mirrored, int block,
                       const RowKernels& kernels, FilterTable& table);

}  // namespace resnetft
