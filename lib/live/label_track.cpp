// SPDX-License-Identifier: MIT
#include "live/label_track.h"

#include <algorithm>
#include <array>

namespace resnetft {

const char* label_source_name(LabelSource source) {
  constexpr std::array kNames = {"none", "property", "event", "roi", "range", "answer", "added", "seed"};
  return kNames[static_cast<size_t>(source)];
}

bool replaces(LabelSource earlier, LabelSource later) {
  if (later == LabelSource::Range || later == LabelSource::Answer) return true;
  return static_cast<uint8_t>(later) >= static_cast<uint8_t>(earlier);
}

void LabelTrack::begin_epoch() {
  ++epoch_;
  last_ns_.reset();
  last_given_ns_.reset();
  changes_.clear();
}

void LabelTrack::start_stream(std::string stream_id) {
  stream_id_ = std::move(stream_id);
  flush();
}

void LabelTrack::flush() {
  begin_epoch();
  event_.clear();
}

HeldLabel LabelTrack::now() const {
  if (sources_.event && !event_.empty()) return {event_, LabelSource::Event};
  if (sources_.property && !property_.empty()) return {property_, LabelSource::Property};
  return {};
}

LabelTrack::Frame LabelTrack::frame(std::optional<uint64_t> running_time_ns) {
  if (running_time_ns && last_given_ns_ && *running_time_ns < *last_given_ns_) begin_epoch();
  if (running_time_ns) last_given_ns_ = running_time_ns;
  const uint64_t after_last = last_ns_ ? *last_ns_ + 1 : 0;
  const uint64_t time = std::max(running_time_ns.value_or(after_last), after_last);
  last_ns_ = time;
  const HeldLabel held = now();
  if (changes_.empty() || changes_.back().held != held) changes_.push_back({time, held});
  if (changes_.size() > kChangesKept) changes_.pop_front();
  return {{stream_id_, epoch_, time, 0}, held};
}

HeldLabel LabelTrack::at(uint64_t running_time_ns) const {
  const auto after = std::ranges::upper_bound(changes_, running_time_ns, {}, &Change::from_ns);
  return after == changes_.begin() ? HeldLabel() : std::prev(after)->held;
}

HeldLabel LabelTrack::region(const std::string& roi_label) const {
  if (!sources_.roi || roi_label.empty()) return {};
  return {roi_label, LabelSource::Roi};
}

}  // namespace resnetft
