// SPDX-License-Identifier: MIT
#include "infer/cuda/winners.h"

#include <map>
#include <mutex>

namespace resnetft::cuda {
namespace {

struct Winners {
  std::mutex lock;
  std::map<ConvolutionKind, Way> ways;
};

// Never destroyed: an engine may still be built while the process ends.
Winners& winners() {
  static auto& winners = *new Winners;
  return winners;
}

}  // namespace

Shape shape_of(const Layer& layer) {
  return {layer.src_extent, layer.dst_extent, layer.kernel,       layer.stride,
          layer.groups,     layer.relu,       layer.residual >= 0};
}

std::optional<Way> find_winner(const ConvolutionKind& kind) {
  const std::scoped_lock guard(winners().lock);
  const auto found = winners().ways.find(kind);
  return found == winners().ways.end() ? std::nullopt : std::optional(found->second);
}

void remember_winner(const ConvolutionKind& kind, const Way& way) {
  const std::scoped_lock guard(winners().lock);
  winners().ways[kind] = way;
}

}  // namespace resnetft::cuda
