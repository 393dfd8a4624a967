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
  for (auto& [id, stream] : streams_) stream = {};
}

bool LabelTrack::start_stream(const std::string& stream_id) {
  stream_id_ = stream_id;
  std::erase(started_, stream_id);
  started_.push_back(stream_id);
  if (!streams_.try_emplace(stream_id).second) return false;
  if (started_.size() > kStreamsKept) {
    streams_.erase(started_.front());
    started_.pop_front();
  }
  begin_epoch();
  event_.clear();
  return true;
}

void LabelTrack::flush() {
  streams_.clear();
  started_.clear();
  start_stream(std::string(stream_id_));
}

HeldLabel LabelTrack::now() const {
  if (sources_.event && !event_.empty()) return {event_, LabelSource::Event};
  if (sources_.property && !property_.empty()) return {property_, LabelSource::Property};
  return {};
}

LabelTrack::Frame LabelTrack::frame(std::optional<uint64_t> running_time_ns) {
  Stream& stream = streams_[stream_id_];
  if (running_time_ns && stream.last_given_ns && *running_time_ns < *stream.last_given_ns) begin_epoch();
  if (running_time_ns) stream.last_given_ns = running_time_ns;
  const uint64_t after_last = stream.last_ns ? *stream.last_ns + 1 : 0;
  const uint64_t time = std::max(running_time_ns.value_or(after_last), after_last);
  stream.last_ns = time;
  const HeldLabel held = now();
  if (stream.changes.empty() || stream.changes.back().held != held) stream.changes.push_back({time, held});
  if (stream.changes.size() > kChangesKept) stream.changes.pop_front();
  return {{stream_id_, epoch_, time, 0}, held};
}

HeldLabel LabelTrack::at(uint64_t running_time_ns) const {
  const auto stream = streams_.find(stream_id_);
  if (stream == streams_.end()) return {};
  const std::deque<Change>& changes = stream->second.changes;
  const auto after = std::ranges::upper_bound(changes, running_time_ns, {}, &Change::from_ns);
  return after == changes.begin() ? HeldLabel() : std::prev(after)->held;
}

HeldLabel LabelTrack::region(const std::string& roi_label) const {
  if (!sources_.roi || roi_label.empty()) return {};
  return {roi_label, LabelSource::Roi};
}

}  // namespace resnetft
