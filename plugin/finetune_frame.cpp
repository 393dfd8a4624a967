// SPDX-License-Identifier: MIT
#include "error_report.h"
#include "finetune_state.h"
#include "frame_view.h"
#include "regions.h"

namespace resnetft {
namespace {

// ---- Labels ----

std::string label_of(GstEvent* event) {
  const gchar* label = gst_structure_get_string(gst_event_get_structure(event), "label");
  return label ? label : "";
}

// What an application sent to the element goes into the stream here, before the next frame.
void take_queued_labels(GstResnetFinetune* self) {
  FinetuneState& state = *self->state;
  std::vector<GRef<GstEvent>> queued;
  {
    const std::scoped_lock guard(state.lock);
    queued.swap(state.queued_labels);
  }
  for (GRef<GstEvent>& event : queued) {
    take_label_event(self, event.get());
    gst_pad_push_event(GST_BASE_TRANSFORM_SRC_PAD(self), event.release());
  }
}

void refresh_rules(FinetuneState& state) {
  Collecting& collecting = state.collecting;
  const uint64_t version = state.settings.version();
  if (version == collecting.rules_version) return;
  collecting.rules = collect_rules(state.settings);
  collecting.rules_version = version;
  collecting.track.allow(collecting.rules.sources);
  collecting.track.set_property(collecting.rules.label);
}

// ---- Places ----

bool is_live(GstPad* pad) {
  const auto query = GRef<GstQuery>::adopt(gst_query_new_latency());
  gboolean live = FALSE;
  if (gst_pad_peer_query(pad, query.get())) gst_query_parse_latency(query.get(), &live, nullptr, nullptr);
  return live;
}

bool can_seek(GstPad* pad) {
  const auto query = GRef<GstQuery>::adopt(gst_query_new_seeking(GST_FORMAT_TIME));
  gboolean seekable = FALSE;
  if (gst_pad_peer_query(pad, query.get())) gst_query_parse_seeking(query.get(), nullptr, &seekable, nullptr, nullptr);
  return seekable;
}

bool plays_a_recording(GstResnetFinetune* self) {
  std::optional<bool>& recorded = self->state->collecting.recorded;
  GstPad* pad = GST_BASE_TRANSFORM_SINK_PAD(self);
  if (!recorded) recorded = can_seek(pad) && !is_live(pad);
  return *recorded;
}

// A stream that comes back (behind a funnel they take turns) goes on where it was, unless its time has gone back.
std::string live_timeline(Collecting& collecting, const SampleKey& key) {
  const auto [known, is_new] =
      collecting.live_timelines.try_emplace(key.stream_id, Collecting::LiveTimeline{key.epoch, key.running_time_ns});
  Collecting::LiveTimeline& timeline = known->second;
  if (key.running_time_ns < timeline.last_ns) timeline.epoch = key.epoch;
  timeline.last_ns = key.running_time_ns;
  return key.stream_id + "#" + std::to_string(timeline.epoch);
}

Place place_of(GstResnetFinetune* self, const VideoFrame& frame, const SampleKey& key) {
  if (GST_CLOCK_TIME_IS_VALID(frame.time.stream_time) && plays_a_recording(self))
    return {key.stream_id, frame.time.stream_time};
  return {live_timeline(self->state->collecting, key), key.running_time_ns};
}

// ---- Offers ----

struct Offer {
  uint32_t region_key;  // 0: the whole frame
  Region region;
  HeldLabel held;
};

std::vector<Offer> offers_of(const Collecting& collecting, const VideoFrame& frame, const HeldLabel& held) {
  std::vector<Offer> offers;
  if (held.source != LabelSource::None || collecting.rules.keeps_unlabelled) offers.push_back({0, {}, held});
  if (!collecting.rules.sources.roi) return offers;
  const std::vector<FoundRegion> regions =
      find_regions(frame.buffer, GST_VIDEO_INFO_WIDTH(&frame.info), GST_VIDEO_INFO_HEIGHT(&frame.info), "");
  for (size_t i = 0; i < regions.size(); ++i) {
    HeldLabel named = collecting.track.region(regions[i].type);
    if (named.source == LabelSource::None) continue;
    offers.push_back({static_cast<uint32_t>(i + 1), regions[i].judged.rectangle, std::move(named)});
  }
  return offers;
}

Status offer_all(GstResnetFinetune* self, const VideoFrame& frame, const LabelTrack::Frame& tracked,
                 const std::vector<Offer>& offers) {
  const Result<MappedFrame> mapped = MappedFrame::map(frame.buffer, frame.info, frame.orientation);
  if (!mapped) return mapped.error();
  const Place place = place_of(self, frame, tracked.key);
  for (const Offer& offer : offers) {
    ImageView view = mapped->view();
    if (offer.region_key > 0) view.region = offer.region;
    SampleKey key = tracked.key;
    key.region = offer.region_key;
    const Status status = self->state->streaming_learner->offer(view, key, place, offer.held);
    if (!status) return status;
  }
  return Status::success();
}

}  // namespace

bool is_label_event(GstEvent* event) {
  return GST_EVENT_TYPE(event) == GST_EVENT_CUSTOM_DOWNSTREAM && gst_event_has_name(event, kLabelEventName);
}

void take_label_event(GstResnetFinetune* self, GstEvent* event) {
  self->state->collecting.track.set_event(label_of(event));
}

bool collects_frames(GstResnetFinetune* self) {
  FinetuneState& state = *self->state;
  take_queued_labels(self);
  refresh_rules(state);
  const Collecting& collecting = state.collecting;
  return collecting.rules.keeps_unlabelled || collecting.rules.sources.roi ||
         collecting.track.now().source != LabelSource::None;
}

FrameWork collect_frame(GstResnetFinetune* self, const VideoFrame& frame) {
  Collecting& collecting = self->state->collecting;
  if (frame.reverse) return FrameWork::Passed;
  std::optional<uint64_t> running_time;
  if (GST_CLOCK_TIME_IS_VALID(frame.time.running_time)) running_time = frame.time.running_time;
  const LabelTrack::Frame tracked = collecting.track.frame(running_time);
  SampleClock& clock = collecting.clocks[tracked.key.stream_id];
  if (!clock.due(tracked.held, collecting.rules.sample_interval)) return FrameWork::Passed;
  const std::vector<Offer> offers = offers_of(collecting, frame, tracked.held);
  if (offers.empty()) return FrameWork::Passed;
  const Status status = offer_all(self, frame, tracked, offers);
  if (!status && !std::exchange(collecting.warned, true)) post_warning(GST_ELEMENT(self), status.error());
  return FrameWork::Worked;
}

void reset_collecting(GstResnetFinetune* self, ResetReason reason, const std::string& stream_id) {
  Collecting& collecting = self->state->collecting;
  if (reason == ResetReason::Switched) return;
  if (reason == ResetReason::StreamStart && !collecting.track.start_stream(stream_id)) return;
  if (reason == ResetReason::FlushStop) {
    collecting.track.flush();
    collecting.live_timelines.clear();
  }
  std::erase_if(collecting.live_timelines,
                [&](const auto& timeline) { return !collecting.track.knows(timeline.first); });
  collecting.recorded.reset();
  collecting.clocks.clear();
  if (self->state->streaming_learner) self->state->streaming_learner->forget_candidates();
}

}  // namespace resnetft
