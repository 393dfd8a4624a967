// SPDX-License-Identifier: MIT
#include <array>
#include <optional>
#include <utility>

#include "analytics.h"
#include "classify_state.h"
#include "error_report.h"
#include "frame_view.h"

namespace resnetft {
namespace {

using Clock = std::chrono::steady_clock;

int64_t nanoseconds_since(Clock::time_point start) { return std::chrono::nanoseconds(Clock::now() - start).count(); }

// Runs the model on regions of one frame, which is mapped when the first of them asks.
class RegionRunner {
 public:
  RegionRunner(GstResnetClassify* self, const VideoFrame& frame, PreparedModel& model)
      : self_(self), frame_(frame), model_(model) {}

  Result<Judgement> run(const Region& region, size_t top_k) {
    if (gst_resnet_video_analyzer_interrupted(GST_RESNET_VIDEO_ANALYZER(self_)))
      return Error{ErrorCode::Cancelled, "a flush or a shut-down is under way", ""};
    if (!mapped_) {
      const FrameReader reader = model_.classifier->engine_name() == "cuda" ? FrameReader::Gpu : FrameReader::Host;
      Result<MappedFrame> mapped = MappedFrame::map(frame_.buffer, frame_.info, frame_.orientation, reader);
      if (!mapped) return mapped.error();
      mapped_.emplace(std::move(*mapped));
    }
    ImageView view = mapped_->view();
    if (region.width > 0) view.region = region;
    Result<std::vector<Judgement>> judgements = model_.classifier->classify({&view, 1}, top_k);
    if (!judgements) return judgements.error();
    ++runs_;
    preprocess_ns_ += model_.classifier->preprocess_time_ns();
    inference_ns_ += model_.classifier->inference_time_ns();
    return std::move(judgements->front());
  }

  // The frame must not stay mapped while labels are drawn into it.
  void unmap() { mapped_.reset(); }

  uint64_t runs() const { return runs_; }
  int64_t preprocess_ns() const { return preprocess_ns_; }
  int64_t inference_ns() const { return inference_ns_; }

 private:
  GstResnetClassify* const self_;
  const VideoFrame& frame_;
  PreparedModel& model_;
  std::optional<MappedFrame> mapped_;
  uint64_t runs_ = 0;
  int64_t preprocess_ns_ = 0;
  int64_t inference_ns_ = 0;
};

void refresh_rules(ClassifyState& state) {
  const uint64_t version = state.settings.version();
  if (version == state.rules_version) return;
  state.rules = frame_rules(state.settings);
  state.rules_version = version;
}

std::vector<FoundRegion> regions_of(const VideoFrame& frame, const FrameRules& rules) {
  if (rules.region == RegionSource::RoiList)
    return find_regions(frame.buffer, GST_VIDEO_INFO_WIDTH(&frame.info), GST_VIDEO_INFO_HEIGHT(&frame.info),
                        rules.roi_class);
  FoundRegion whole;
  whole.judged.identity = kWholeFrame;
  return {whole};
}

const FoundRegion* region_or_whole(const FoundRegion& region) {
  return region.judged.identity == kWholeFrame ? nullptr : &region;
}

void attach_metas(const VideoFrame& frame, const FrameRules& rules, const FoundRegion& region, const Verdict& verdict,
                  const std::string& model_name) {
  const VerdictPlace place{frame.time, frame.stream_id, region_or_whole(region)};
  if (rules.metas & kCustomMeta) attach_custom_meta(frame.buffer, verdict, place, rules.attach_embedding);
  if ((rules.metas & kRoiMeta) && region.roi) attach_roi_param(region.roi, verdict, model_name);
  if (rules.metas & kAnalyticsMeta) attach_classification(frame.buffer, verdict.judgement.top, region.detection);
}

OverlayLabel overlay_label(const VideoFrame& frame, const FoundRegion& region, const Verdict& verdict) {
  const int margin = capital_height(GST_VIDEO_INFO_HEIGHT(&frame.info)) / 2;
  const Region& rectangle = region.judged.rectangle;
  const bool whole = region_or_whole(region) == nullptr;
  return {verdict.best().label, verdict.best().confidence, whole ? margin : rectangle.x, whole ? margin : rectangle.y,
          !whole};
}

void draw_labels(GstResnetClassify* self, const VideoFrame& frame, std::span<const OverlayLabel> labels) {
  ClassifyState& state = *self->state;
  if (labels.empty()) return;
  if (state.ask_about_overlay.exchange(false)) {
    GstPad* pad = GST_BASE_TRANSFORM_SRC_PAD(self);
    const auto caps = GRef<GstCaps>::adopt(gst_pad_get_current_caps(pad));
    state.overlay_way = peer_takes_composition(pad, caps.get()) ? Overlay::Way::Attach : Overlay::Way::Blend;
  }
  if (state.overlay_way == Overlay::Way::Blend && find_cuda_frame(frame.buffer)) {
    if (!std::exchange(state.warned_of_overlay, true))
      post_warning(GST_ELEMENT(self), {ErrorCode::Incompatible,
                                       "no label is drawn: the frames lie in a GPU's memory, and what follows takes no "
                                       "overlay composition",
                                       "put cudadownload ! video/x-raw before the element, or turn overlay off"});
    return;
  }
  if (!state.overlay.draw(frame.buffer, frame.info, labels, state.overlay_way))
    GST_WARNING_OBJECT(self, "the label could not be drawn: the frame cannot be written");
}

std::string model_name_of(const PreparedModel& model) {
  const Model& shown = model.snapshot->model();
  const std::string& path = shown.path();
  const size_t slash = path.find_last_of('/') + 1, dot = path.find_last_of('.');
  if (path.empty()) return shown.card().architecture;
  return path.substr(slash, dot > slash && dot != std::string::npos ? dot - slash : std::string::npos);
}

// Formats what was decided: metas, then the overlay, then messages and signals.
void write_out(GstResnetClassify* self, const VideoFrame& frame, const PreparedModel& model,
               std::span<const FoundRegion> regions, std::span<const std::optional<Verdict>> verdicts) {
  const FrameRules& rules = self->state->rules;
  const std::string model_name = model_name_of(model);
  std::vector<OverlayLabel> labels;
  for (size_t i = 0; i < regions.size(); ++i) {
    if (!verdicts[i]) continue;
    attach_metas(frame, rules, regions[i], *verdicts[i], model_name);
    if (rules.overlay && !verdicts[i]->best().label.empty())
      labels.push_back(overlay_label(frame, regions[i], *verdicts[i]));
  }
  draw_labels(self, frame, labels);
  for (size_t i = 0; i < regions.size(); ++i)
    if (verdicts[i]) report_verdict(self, *verdicts[i], {frame.time, frame.stream_id, region_or_whole(regions[i])});
}

void count_frame(StageStats& stats, const RegionRunner& runner, const FrameVerdicts& outcome) {
  const auto carried = static_cast<uint64_t>(std::ranges::count_if(
      outcome.verdicts, [](const std::optional<Verdict>& verdict) { return verdict && verdict->age_frames > 0; }));
  stats.count(FrameCount::Regions, outcome.verdicts.size());
  stats.count(FrameCount::Inferred, runner.runs());
  stats.count(FrameCount::Carried, carried);
  stats.count(FrameCount::SkippedLate, outcome.skipped ? 1 : 0);
  if (runner.runs() == 0) return;
  stats.time(Stage::Preprocess, runner.preprocess_ns());
  stats.time(Stage::Inference, runner.inference_ns());
}

FrameWork pass_without_model(GstResnetClassify* self) {
  ClassifyState& state = *self->state;
  if (std::exchange(state.missed_model, true)) return FrameWork::Passed;
  const std::string id = state.settings.text("model-instance-id");
  post_warning(GST_ELEMENT(self), {ErrorCode::NotFound, "frames pass unclassified until model '" + id + "' is there",
                                   "name one with model-file, or see that a resnetfinetune of this id teaches one"});
  return FrameWork::Passed;
}

void report_stats_when_due(GstResnetClassify* self) {
  if (Clock::now() < self->state->next_stats) return;
  self->state->next_stats = Clock::now() + kStatsInterval;
  report_stats(self);
}

}  // namespace

Result<FrameWork> classify_frame(GstResnetClassify* self, const VideoFrame& frame) {
  ClassifyState& state = *self->state;
  const Clock::time_point start = Clock::now();
  refresh_rules(state);
  state.stats.count(FrameCount::Frames);
  PreparedModel* model = state.streaming_slot->current();
  if (!model) return pass_without_model(self);

  const std::vector<FoundRegion> regions = regions_of(frame, state.rules);
  std::vector<JudgedRegion> judged;
  for (const FoundRegion& region : regions) judged.push_back(region.judged);
  const FrameSituation situation{
      .running_time_ns = GST_CLOCK_TIME_IS_VALID(frame.time.running_time) ? frame.time.running_time : 0,
      .generation = model->generation,
      .skip = frame.late && state.rules.skip_late,
      .reverse = frame.reverse};
  RegionRunner runner(self, frame, *model);
  const Result<FrameVerdicts> outcome = state.judge.judge(
      judged, state.rules, situation, [&](const Region& region, size_t top_k) { return runner.run(region, top_k); });
  runner.unmap();
  if (!outcome) {
    if (outcome.error().code == ErrorCode::Cancelled) return FrameWork::Passed;
    return outcome.error();
  }
  count_frame(state.stats, runner, *outcome);
  if (outcome->skipped) gst_resnet_video_analyzer_skipped(GST_RESNET_VIDEO_ANALYZER(self), frame);
  const Clock::time_point judged_at = Clock::now();
  write_out(self, frame, *model, regions, outcome->verdicts);
  state.stats.time(Stage::Output, nanoseconds_since(judged_at));
  state.stats.time(Stage::Total, nanoseconds_since(start));
  report_stats_when_due(self);
  return runner.runs() > 0 ? FrameWork::Worked : FrameWork::Passed;
}

Result<StructurePtr> classify_sample(GstResnetClassify* self, GstSample* sample) {
  ClassifyState& state = *self->state;
  const std::shared_ptr<ModelSlot> slot = state.current_slot();
  if (!slot) return Error{ErrorCode::NotFound, "classify-sample: there is no model", "set the element to PAUSED first"};
  const Result<MappedFrame> mapped = MappedFrame::map_sample(sample, "classify-sample");
  if (!mapped) return mapped.error();
  const Result<ModelSlot::SampleOutcome> outcome = slot->classify_sample(mapped->view());
  if (!outcome) return outcome.error();
  state.stats.count(FrameCount::Samples);

  const FrameRules rules = frame_rules(state.settings);
  SmootherRule rule = rules.smoothing;
  rule.smoothing = Smoothing::None;
  rule.min_dwell_ns = 0;
  const Verdict verdict{Smoother().apply(rule, outcome->judgement, 0), outcome->generation, 0, {}};
  const GstBuffer* buffer = gst_sample_get_buffer(sample);
  const FrameTime time{GST_BUFFER_PTS(buffer), GST_BUFFER_DURATION(buffer), GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE};
  StructurePtr structure = event_structure("classify-sample");
  set_verdict_fields(structure.get(), verdict, {time, ""});
  if (rules.attach_embedding) set_feature_fields(structure.get(), verdict.judgement);
  return structure;
}

}  // namespace resnetft
