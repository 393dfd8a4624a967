// SPDX-License-Identifier: MIT
#include "frame_judge.h"

#include <algorithm>

namespace resnetft {
namespace {

// A region that was not seen for so long is taken for gone.
constexpr uint64_t kForgottenAfterFrames = 300;

// Two regions of one frame with the same identity have none.
bool unique_identity(std::span<const JudgedRegion> regions, const JudgedRegion& region) {
  return std::ranges::count(regions, region.identity, &JudgedRegion::identity) == 1;
}

}  // namespace

size_t classes_needed(const SmootherRule& rule) {
  return rule.smoothing == Smoothing::None && rule.min_dwell_ns == 0 ? rule.top_k : 0;
}

Result<FrameVerdicts> FrameJudge::judge(std::span<const JudgedRegion> regions, const FrameRules& rules,
                                        const FrameSituation& situation, const Infer& infer) {
  if (situation.generation != generation_) forget_model();
  generation_ = situation.generation;
  due_ = frames_ % std::max(rules.inference_interval, 1U) == 0;
  skipped_ = false;
  ++frames_;
  FrameVerdicts outcome;
  for (const JudgedRegion& region : regions) {
    const bool known = region.identity && unique_identity(regions, region);
    Result<std::optional<Verdict>> verdict = known ? judge_known(region, rules, situation, infer)
                                                   : judge_anonymous(region.rectangle, rules, situation, infer);
    if (!verdict) return verdict.error();
    outcome.verdicts.push_back(std::move(*verdict));
  }
  outcome.skipped = skipped_;
  forget_unseen();
  return outcome;
}

Result<std::optional<Verdict>> FrameJudge::judge_anonymous(const Region& region, const FrameRules& rules,
                                                           const FrameSituation& situation, const Infer& infer) {
  skipped_ |= situation.skip;
  if (situation.skip) return std::optional<Verdict>();
  SmootherRule rule = rules.smoothing;
  rule.smoothing = Smoothing::None;
  rule.min_dwell_ns = 0;
  const Result<Judgement> judgement = infer(region, classes_needed(rule));
  if (!judgement) return judgement.error();
  return std::optional<Verdict>({Smoother().apply(rule, *judgement, 0), situation.generation, 0, {}});
}

Result<std::optional<Verdict>> FrameJudge::judge_known(const JudgedRegion& region, const FrameRules& rules,
                                                       const FrameSituation& situation, const Infer& infer) {
  Track& track = tracks_[*region.identity];
  track.seen_at_frame = frames_;
  if (situation.reverse) track.last.reset();
  const bool wanted = due_ || (!track.last && !situation.reverse);
  skipped_ |= wanted && situation.skip;
  if (wanted && !situation.skip) {
    const Result<Judgement> judgement = infer(region.rectangle, classes_needed(rules.smoothing));
    if (!judgement) return judgement.error();
    const Judgement shown = track.smoother.apply(rules.smoothing, *judgement, situation.running_time_ns);
    track.last = Verdict{shown, situation.generation, 0, {}};
    const std::string& label = track.last->best().label;
    if (track.label != label) track.last->previous_label = std::exchange(track.label, label);
  } else if (track.last) {
    ++track.last->age_frames;
    track.last->previous_label.reset();
  }
  return track.last;
}

// Another model's results are neither shown any longer nor averaged with the new one's.
void FrameJudge::forget_model() {
  for (auto& [identity, track] : tracks_) {
    track.smoother.reset();
    track.last.reset();
  }
}

void FrameJudge::forget_unseen() {
  std::erase_if(tracks_,
                [&](const auto& entry) { return frames_ - entry.second.seen_at_frame > kForgottenAfterFrames; });
}

void FrameJudge::reset() {
  tracks_.clear();
  frames_ = 0;
}

}  // namespace resnetft
