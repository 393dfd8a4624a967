// SPDX-License-Identifier: MIT
#include "live/holdout.h"

#include <algorithm>

#include "live/draw.h"

namespace resnetft {
namespace {

uint64_t rounded_up(uint64_t dividend, uint64_t divisor) { return (dividend + divisor - 1) / divisor; }

// From `time_ns` to the nearest of [first, last].
uint64_t distance(uint64_t time_ns, uint64_t first_ns, uint64_t last_ns) {
  if (time_ns < first_ns) return first_ns - time_ns;
  return time_ns > last_ns ? time_ns - last_ns : 0;
}

}  // namespace

bool draw_holds_out(const HoldoutRule& rule, std::string_view class_name, uint64_t k) {
  return draw_share(rule.seed, hash_of(class_name), k) < rule.fraction;
}

HoldoutBlock& Holdout::block_of(const Place& place, std::string_view class_name) {
  const uint64_t k = place.time_ns / rule_.block_ns;
  HoldoutBlock& block = timelines_[place.timeline][{k, std::string(class_name)}];
  if (block.number != 0) return block;
  ClassState& state = classes_[std::string(class_name)];
  ++state.blocks;
  const bool may = state.blocks > rounded_up(kHoldoutNeverBefore_ns, rule_.block_ns);
  const bool must = state.blocks >= rounded_up(kHoldoutAtLatest_ns, rule_.block_ns) && state.held_out == 0;
  const bool held_out = rule_.fraction > 0 && may && (must || draw_holds_out(rule_, class_name, k));
  if (held_out) ++state.held_out;
  block = {.timeline = place.timeline,
           .k = k,
           .class_name = std::string(class_name),
           .side = held_out ? HoldoutSide::Holdout : HoldoutSide::Train,
           .used = false,
           .first_ns = 0,
           .last_ns = 0,
           .number = ++last_number_};
  return block;
}

bool Holdout::near_other_side(const Timeline& timeline, uint64_t time_ns, HoldoutSide side) const {
  const uint64_t first_k = (time_ns > rule_.gap_ns ? time_ns - rule_.gap_ns : 0) / rule_.block_ns;
  const uint64_t last_k = (time_ns + rule_.gap_ns) / rule_.block_ns;
  for (auto entry = timeline.lower_bound({first_k, ""}); entry != timeline.end() && entry->first.first <= last_k;
       ++entry) {
    const HoldoutBlock& block = entry->second;
    if (block.used && block.side != side && distance(time_ns, block.first_ns, block.last_ns) < rule_.gap_ns)
      return true;
  }
  return false;
}

HoldoutSide Holdout::assign(const Place& place, std::string_view class_name) {
  HoldoutBlock& block = block_of(place, class_name);
  if (near_other_side(timelines_[place.timeline], place.time_ns, block.side)) {
    ++left_out_;
    return HoldoutSide::LeftOut;
  }
  block.first_ns = block.used ? std::min(block.first_ns, place.time_ns) : place.time_ns;
  block.last_ns = block.used ? std::max(block.last_ns, place.time_ns) : place.time_ns;
  block.used = true;
  return block.side;
}

uint64_t Holdout::block_number(const Place& place, std::string_view class_name) const {
  const std::optional<HoldoutBlock> found = block(place, class_name);
  return found ? found->number : 0;
}

std::optional<HoldoutBlock> Holdout::block(const Place& place, std::string_view class_name) const {
  const auto timeline = timelines_.find(place.timeline);
  if (timeline == timelines_.end()) return std::nullopt;
  const auto found = timeline->second.find({place.time_ns / rule_.block_ns, std::string(class_name)});
  if (found == timeline->second.end()) return std::nullopt;
  return found->second;
}

std::vector<HoldoutBlock> Holdout::blocks() const {
  std::vector<HoldoutBlock> all;
  for (const auto& [name, timeline] : timelines_)
    for (const auto& [key, block] : timeline) all.push_back(block);
  std::ranges::sort(all, {}, &HoldoutBlock::number);
  return all;
}

void Holdout::restore(const std::vector<HoldoutBlock>& blocks) {
  for (const HoldoutBlock& block : blocks) {
    timelines_[block.timeline][{block.k, block.class_name}] = block;
    ClassState& state = classes_[block.class_name];
    ++state.blocks;
    if (block.side == HoldoutSide::Holdout) ++state.held_out;
    last_number_ = std::max(last_number_, block.number);
  }
}

}  // namespace resnetft
