// SPDX-License-Identifier: MIT
// In which order an epoch sees its pictures.
#include <algorithm>
#include <numeric>
#include <utility>

#include "data/augmentation.h"

namespace resnetft {
namespace {

constexpr uint32_t kOrderStream = 0;

}  // namespace

// Fisher and Yates, from the end.
std::vector<size_t> shuffled_order(size_t size, uint64_t seed, uint32_t epoch, unsigned repeats) {
  CounterRandom random(seed, kOrderStream, epoch, 0);
  std::vector<size_t> order(size);
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = size; i > 1; --i) std::swap(order[i - 1], order[random.below(static_cast<uint32_t>(i))]);
  if (repeats <= 1) return order;
  std::vector<size_t> repeated(size);
  for (size_t i = 0; i < size; ++i) repeated[i] = order[i / repeats];
  return repeated;
}

std::vector<size_t> balanced_order(std::span<const size_t> class_ids, uint64_t seed, uint32_t epoch) {
  if (class_ids.empty()) return {};
  std::vector<std::vector<size_t>> members(*std::ranges::max_element(class_ids) + 1);
  for (size_t i = 0; i < class_ids.size(); ++i) members[class_ids[i]].push_back(i);
  std::erase_if(members, [](const std::vector<size_t>& pictures) { return pictures.empty(); });
  CounterRandom random(seed, kOrderStream, epoch, 0);
  std::vector<size_t> order(class_ids.size());
  for (size_t& index : order) {
    const std::vector<size_t>& pictures = members[random.below(static_cast<uint32_t>(members.size()))];
    index = pictures[random.below(static_cast<uint32_t>(pictures.size()))];
  }
  return order;
}

}  // namespace resnetft
