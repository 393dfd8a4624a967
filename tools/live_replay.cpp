// SPDX-License-Identifier: MIT
#include "live_replay.h"

#include <filesystem>
#include <optional>

#include "live/label_track.h"
#include "live/sample_clock.h"
#include "terminal.h"
#include "video_frames.h"

namespace resnetft::tool {
namespace {

class Replay {
 public:
  Replay(const std::string& video, const LabelSpans& labels, const ReplayRules& rules, Learner& learner,
         LiveJudge& judge, LiveLog& log)
      : labels_(labels), rules_(rules), learner_(learner), judge_(judge), log_(log), track_(learner.next_epoch()) {
    track_.start_stream(std::filesystem::path(video).filename().string());
  }

  Status take(const VideoPicture& picture) {
    ++replayed_.frames;
    log_.set_time(picture.running_time_ns);
    const LabelSpan* span = span_at(labels_, picture.running_time_ns);
    tell(span);
    if (Status status = offer(picture); !status) return status;
    if (span && span->use == SpanUse::Judge)
      if (Status status = judge_frame(picture, span->label); !status) return status;
    return judge_folder_if_due(picture.running_time_ns);
  }

  // The last model is judged whatever the interval says.
  Status finish() {
    if (!rules_.eval || generation() == judged_generation_) return Status::success();
    return judge_folder(last_time_ns_);
  }

  Replayed result() && { return std::move(replayed_); }

 private:
  void tell(const LabelSpan* span) {
    const bool learns = span && span->use == SpanUse::Learn;
    const std::string label = learns ? span->label : "";
    if (label == told_) return;
    told_ = label;
    track_.set_event(label);
    log_.say_line("label      " + (label.empty() ? std::string("none any more") : label));
  }

  Status offer(const VideoPicture& picture) {
    const LabelTrack::Frame frame = track_.frame(picture.running_time_ns);
    last_time_ns_ = picture.running_time_ns;
    if (!clock_.due(frame.held, rules_.sample_interval) || frame.held.source == LabelSource::None)
      return Status::success();
    ++replayed_.offered;
    const Place place{track_.stream_id(), picture.time_ns.value_or(picture.running_time_ns)};
    if (Status status = learner_.offer(picture.view(), frame.key, place, frame.held); !status) return status;
    learner_.run_pending();
    return interrupted() ? Status(interrupted_error()) : Status::success();
  }

  Status judge_frame(const VideoPicture& picture, const std::string& truth) {
    const Result<std::string> named = judge_.label_of(picture.view());
    if (!named) return named.error();
    replayed_.judged.add(truth, *named);
    return Status::success();
  }

  uint64_t generation() const { return learner_.status().generation; }

  Status judge_folder_if_due(uint64_t time_ns) {
    if (!rules_.eval || time_ns < next_eval_ns_ || generation() == judged_generation_) return Status::success();
    next_eval_ns_ = time_ns + rules_.eval_interval_ns;
    return judge_folder(time_ns);
  }

  Status judge_folder(uint64_t time_ns) {
    Result<Tally> tally = judge_.judge_folder(*rules_.eval, rules_.workers);
    if (!tally) return tally.error();
    judged_generation_ = generation();
    log_.say_line("eval       generation " + std::to_string(judged_generation_) + ": " +
                  std::to_string(tally->correct()) + " of " + std::to_string(tally->pictures()));
    replayed_.folder.push_back({time_ns, judged_generation_, std::move(*tally)});
    return Status::success();
  }

  const LabelSpans& labels_;
  const ReplayRules& rules_;
  Learner& learner_;
  LiveJudge& judge_;
  LiveLog& log_;
  LabelTrack track_;
  SampleClock clock_;
  std::string told_;
  uint64_t last_time_ns_ = 0;
  uint64_t next_eval_ns_ = 0;
  uint64_t judged_generation_ = 0;
  Replayed replayed_;
};

}  // namespace

Result<Replayed> replay(const std::string& video, const LabelSpans& labels, const ReplayRules& rules, Learner& learner,
                        LiveJudge& judge, LiveLog& log) {
  Result<VideoFrames> frames = VideoFrames::open(video);
  if (!frames) return frames.error();
  Replay replay(video, labels, rules, learner, judge, log);
  for (;;) {
    const Result<std::optional<VideoPicture>> picture = frames->next();
    if (!picture) return picture.error();
    if (!*picture) break;
    if (Status status = replay.take(**picture); !status) return status.error();
  }
  if (Status status = replay.finish(); !status) return status.error();
  Replayed replayed = std::move(replay).result();
  if (replayed.frames > 0) return replayed;
  return Error{ErrorCode::CorruptFile, "video '" + video + "' has no frame", "check that it has a video stream"};
}

}  // namespace resnetft::tool
