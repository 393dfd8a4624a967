// SPDX-License-Identifier: MIT
// In which way each kind of convolution was the fastest, for the engines that come later in this process: the
// next generation of a live model has the layers of the one before.
#pragma once

#include <cstddef>
#include <optional>
#include <tuple>

#include "infer/cuda/convolution.h"

namespace resnetft::cuda {

// Layers of one shape take the same time.
using Shape = std::tuple<Extent, Extent, int, int, int, bool, bool>;
Shape shape_of(const Layer& layer);

struct ConvolutionKind {
  size_t cudnn_version;
  int ordinal;  // of the GPU
  Precision precision;
  int batch;
  Shape shape;
  auto operator<=>(const ConvolutionKind&) const = default;
};

// Thread-safe. Nothing where none was remembered.
std::optional<Way> find_winner(const ConvolutionKind& kind);
void remember_winner(const ConvolutionKind& kind, const Way& way);

}  // namespace resnetft::cuda
