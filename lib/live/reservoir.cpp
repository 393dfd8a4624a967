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
  while (!fits(bytes)) evict(class_name, placement.evicted);
  insert(id, class_name, bytes);
  return placement;
}

void Reservoir::evict(const std::string& newcomer_class, std::vector<uint64_t>& evicted) {
  evicted.push_back(victim(newcomer_class));
  erase(evicted.back());
  ++evicted_;
}

void Reservoir::insert(uint64_t id, const std::string& class_name, uint64_t bytes) {
  entries_[id] = {class_name, bytes};
  std::vector<uint64_t>& ids = classes_[class_name].ids;
  ids.insert(std::ranges::lower_bound(ids, id), id);
  bytes_ += bytes;
}

void Reservoir::restore(uint64_t id, const std::string& class_name, uint64_t bytes) {
  insert(id, class_name, bytes);
  ++classes_[class_name].seen;
}

std::vector<uint64_t> Reservoir::change(uint64_t id, const std::string& class_name, uint64_t bytes) {
  const auto entry = entries_.find(id);
  if (entry == entries_.end()) return {};
  if (entry->second.class_name != class_name) {
    --classes_[entry->second.class_name].seen;
    ++classes_[class_name].seen;
  }
  erase(id);
  insert(id, class_name, bytes);
  return trim();
}

std::vector<uint64_t> Reservoir::trim() {
  std::vector<uint64_t> evicted;
  while (entries_.size() > rule_.capacity || bytes_ > rule_.max_bytes)
    evict(std::string(entries_.rbegin()->second.class_name), evicted);
  return evicted;
}

void Reservoir::restore_totals(const Totals& totals) {
  offered_ = totals.offered;
  evicted_ = totals.evicted;
  refused_ = totals.refused;
}

uint64_t Reservoir::seen(std::string_view class_name) const {
  const auto found = classes_.find(class_name);
  return found == classes_.end() ? 0 : found->second.seen;
}

std::map<std::string, uint64_t> Reservoir::seen() const {
  std::map<std::string, uint64_t> seen;
  for (const auto& [name, state] : classes_) seen[name] = state.seen;
  return seen;
}

void Reservoir::erase(uint64_t id) {
  const auto entry = entries_.find(id);
  if (entry == entries_.end()) return;
  std::erase(classes_.find(entry->second.class_name)->second.ids, id);
  bytes_ -= entry->second.bytes;
  entries_.erase(entry);
}

}  // namespace resnetft
