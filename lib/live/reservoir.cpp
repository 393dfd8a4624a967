// SPDX-License-Identifier: MIT
#include "live/reservoir.h"

#include <algorithm>

#include "live/draw.h"

namespace resnetft {
namespace {

// Of the two draws, so that they are independent.
constexpr uint64_t kPlaceDraw = hash_of("place");
constexpr uint64_t kVictimDraw = hash_of("victim");

}  // namespace

size_t Reservoir::held(std::string_view class_name) const {
  const auto found = classes_.find(class_name);
  return found == classes_.end() ? 0 : found->second.ids.size();
}

bool Reservoir::wins_a_place(const ClassState& of_newcomer) const {
  if (rule_.policy == ReplayPolicy::Fifo) return true;
  for (const auto& [name, state] : classes_)
    if (state.ids.size() > of_newcomer.ids.size()) return true;
  const double share = static_cast<double>(of_newcomer.ids.size()) / static_cast<double>(of_newcomer.seen);
  return draw_share(rule_.seed, kPlaceDraw, offered_) < share;
}

uint64_t Reservoir::victim(const std::string& newcomer_class) const {
  if (rule_.policy == ReplayPolicy::Fifo) return entries_.begin()->first;
  const ClassState* largest = &classes_.find(newcomer_class)->second;
  for (const auto& [name, state] : classes_)
    if (state.ids.size() > largest->ids.size()) largest = &state;
  return largest->ids[draw_below(largest->ids.size(), rule_.seed, kVictimDraw + evicted_, offered_)];
}

Reservoir::Placement Reservoir::offer(uint64_t id, const std::string& class_name, uint64_t bytes) {
  ++offered_;
  ClassState& state = classes_[class_name];
  ++state.seen;
  if (rule_.capacity == 0 || bytes > rule_.max_bytes || (!fits(bytes) && !wins_a_place(state))) {
    ++refused_;
    return {};
  }
  Placement placement{true, {}};
  while (!fits(bytes)) {
    placement.evicted.push_back(victim(class_name));
    erase(placement.evicted.back());
    ++evicted_;
  }
  entries_[id] = {class_name, bytes};
  state.ids.push_back(id);
  bytes_ += bytes;
  return placement;
}

void Reservoir::restore(uint64_t id, const std::string& class_name, uint64_t bytes) {
  entries_[id] = {class_name, bytes};
  ClassState& state = classes_[class_name];
  state.ids.push_back(id);
  ++state.seen;
  bytes_ += bytes;
}

void Reservoir::erase(uint64_t id) {
  const auto entry = entries_.find(id);
  if (entry == entries_.end()) return;
  std::erase(classes_.find(entry->second.class_name)->second.ids, id);
  bytes_ -= entry->second.bytes;
  entries_.erase(entry);
}

}  // namespace resnetft
