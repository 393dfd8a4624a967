// SPDX-License-Identifier: MIT
#include "infer/arena.h"

#include <algorithm>
#include <numeric>

namespace resnetft {
namespace {

size_t aligned(size_t bytes) { return (bytes + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment; }

bool live_together(const Lifetime& a, const Lifetime& b) { return a.first <= b.last && b.first <= a.last; }

struct Block {
  size_t begin;
  size_t end;
};

// `taken` is sorted by where its blocks begin.
size_t lowest_gap(const std::vector<Block>& taken, size_t bytes) {
  size_t offset = 0;
  for (const Block& block : taken) {
    if (offset + bytes <= block.begin) break;
    offset = std::max(offset, block.end);
  }
  return offset;
}

}  // namespace

ArenaPlan plan_arena(const std::vector<Lifetime>& lifetimes) {
  std::vector<size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  ArenaPlan plan;
  plan.offsets.resize(lifetimes.size());
  std::vector<size_t> placed;
  for (const size_t buffer : order) {
    std::vector<Block> taken;
    for (const size_t other : placed)
      if (live_together(lifetimes[buffer], lifetimes[other]))
        taken.push_back({plan.offsets[other], plan.offsets[other] + aligned(lifetimes[other].bytes)});
    std::sort(taken.begin(), taken.end(), [](const Block& a, const Block& b) { return a.begin < b.begin; });
    const size_t bytes = aligned(lifetimes[buffer].bytes);
    plan.offsets[buffer] = lowest_gap(taken, bytes);
    plan.bytes = std::max(plan.bytes, plan.offsets[buffer] + bytes);
    placed.push_back(buffer);
  }
  return plan;
}

}  // namespace resnetft
