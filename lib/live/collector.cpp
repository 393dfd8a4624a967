// SPDX-License-Identifier: MIT
#include "live/collector.h"

#include <algorithm>
#include <bit>

#include "base/log.h"
#include "data/image_file.h"
#include "infer/judge.h"
#include "live/generation_files.h"
#include "live/reduction.h"

namespace resnetft {
namespace {

constexpr uint64_t kInstantEvery = 16;  // samples; before, when a class has 1, 2, 4, 8 ...
constexpr uint64_t kSureKept = 4;       // sample-policy=uncertain: one of so many sure ones is kept all the same
constexpr int kThumbnailQuality = 85;
constexpr size_t kRefusedNamed = 32;  // labels, in the log

bool comes_by_itself(LabelSource source) {
  return source == LabelSource::Property || source == LabelSource::Event || source == LabelSource::Roi;
}

template <class Number>
size_t best_of(const std::vector<Number>& scores) {
  return static_cast<size_t>(std::ranges::max_element(scores) - scores.begin());
}

}  // namespace

Collector::Collector(LearnerShared& shared, std::unique_ptr<ReplayStore> store, Rehearsal rehearsal)
    : shared_(shared), store_(std::move(store)), rehearsal_(std::move(rehearsal)) {
  show_counts();
}

Status Collector::follow(const ModelHub::Current& now) {
  const Model& model = now.snapshot->model();
  Result<LinearHead> head = head_of(model);
  if (!head) return head.error();
  Result<std::string> origin = resnetft::feature_origin(model, kFeaturePrecision);
  if (!origin) return origin.error();
  if (!maker_ || *origin != origin_) {
    Result<std::unique_ptr<FeatureMaker>> maker =
        FeatureMaker::create(now.snapshot, *origin, shared_.device, shared_.spec.threads);
    if (!maker) return maker.error();
    maker_ = std::move(*maker);
    origin_ = std::move(*origin);
    instant_stale_ = true;
    instant_due_ = store_->counts().train > 0;
  }
  incumbent_ = now;
  head_ = std::move(*head);
  incumbent_is_ours_ = !ancestry_of(model.card()).candidate.empty();
  shared_.update([&](LearnerStatus& status) { status.generation = now.generation; });
  return Status::success();
}

Status Collector::refresh(const GoOn& go_on) {
  if (!rehearsal_.is_empty())
    if (Status prepared = rehearsal_.prepare(*maker_, go_on); !prepared) return prepared;
  uint64_t unusable = 0;
  for (const SamplePtr& sample : store_->samples()) {
    if (sample->feature_origin == origin_ && !sample->feature.empty()) continue;
    if (!sample->picture) {
      ++unusable;
      continue;
    }
    if (!go_on()) return Error{ErrorCode::Cancelled, "making features was stopped", ""};
    Result<std::vector<float>> feature = maker_->make(view_of(*sample->picture));
    if (!feature) return feature.error();
    if (Status set = store_->set_feature(sample->id, origin_, std::move(*feature)); !set) return set;
    instant_stale_ = true;
  }
  shared_.update([&](LearnerStatus& status) { status.features_unusable = unusable; });
  return Status::success();
}

void Collector::collect() {
  for (Candidate& candidate : shared_.ring.take_labelled()) {
    add(candidate);
    candidate.picture.reset();  // its slot may be used again
  }
}

bool Collector::refuses(const std::string& label, const LearnerRules& rules) {
  if (rules.allow_new_classes) return false;
  const std::vector<std::string> named = store_->labels();
  if (head_.find(label) || std::ranges::find(named, label) != named.end()) return false;
  ++refused_;
  shared_.update([&](LearnerStatus& status) { status.labels_refused = refused_; });
  if (refused_labels_.size() < kRefusedNamed && refused_labels_.insert(label).second)
    log(LogLevel::Warning, "learner: label '" + label + "' is new and refused; allow-new-classes=true accepts it");
  return true;
}

bool Collector::is_sure_and_right(const std::vector<float>& logits, const std::string& label) const {
  const std::vector<double> sure = confidences(logits, incumbent_.snapshot->model().card().temperature);
  return head_.labels[best_of(sure)] == label && margin(sure) >= kDoubtfulMargin;
}

void Collector::add(const Candidate& candidate) {
  const LearnerRules rules = shared_.rules();
  if (refuses(candidate.held.label, rules)) return;
  Result<std::vector<float>> feature = maker_->make(view_of(*candidate.picture));
  if (!feature) return shared_.fail(feature.error());
  const std::vector<float> logits = head_.logits(*feature);
  const bool right = head_.labels[best_of(logits)] == candidate.held.label;
  if (rules.rollback_window_ns > 0) watch_.add(candidate.key, right, rules.rollback_window_ns);
  if (rules.sample_policy == SamplePolicy::Uncertain && comes_by_itself(candidate.held.source) &&
      is_sure_and_right(logits, candidate.held.label) && ++sure_ % kSureKept != 0) {
    shared_.update([&](LearnerStatus& status) { ++status.frames_sure; });
    return;
  }
  Sample sample;
  sample.key = candidate.key;
  sample.place = candidate.place;
  sample.label = candidate.held.label;
  sample.source = candidate.held.source;
  sample.feature_origin = origin_;
  sample.feature = std::move(*feature);
  sample.picture = candidate.picture;  // the store copies it
  keep(std::move(sample), rules);
}

void Collector::keep(Sample sample, const LearnerRules& rules) {
  SampleStored event{sample.key, sample.place, sample.label, sample.source, {}, {}, {}};
  const Result<ReplayStore::Added> added = store_->add(std::move(sample), rules.sample_policy == SamplePolicy::Changed);
  if (!added) return shared_.fail(added.error());
  look_at_file();
  event.fate = added->fate;
  if (added->sample) {
    event.side = added->sample->side;
    note_kept(*added->sample, added->fate);
  }
  event.counts = store_->counts();
  shared_.update([&](LearnerStatus& status) { status.store = event.counts; });
  shared_.tell(event);
}

void Collector::look_at_file() {
  const Status written = store_->write_status();
  if (!written)
    shared_.fail(written.error());
  else if (file_failed_)
    shared_.clear_failure();
  file_failed_ = !written;
}

void Collector::sync() {
  if (const Status synced = store_->sync(); !synced) shared_.fail(synced.error());
}

void Collector::note_kept(const Sample& sample, SampleFate fate) {
  if (fate == SampleFate::Relabelled) {
    instant_stale_ = true;
    schedule_instant(sample.label);
    ++new_train_;
    return;
  }
  if (fate != SampleFate::Stored || sample.side != HoldoutSide::Train) return;
  ++new_train_;
  schedule_instant(sample.label);
  if (instant_stale_ || !instant_) return;
  // A class that the seed dataset may know begins with its pictures.
  if (!rehearsal_.is_empty() && instant_->samples(sample.label) == 0)
    instant_stale_ = true;
  else
    instant_->add(sample.label, sample.feature);
}

void Collector::schedule_instant(const std::string& label) {
  ++since_instant_;
  if (std::has_single_bit(++instant_samples_[label]) || since_instant_ >= kInstantEvery) instant_due_ = true;
}

std::vector<std::string> Collector::classes() const {
  const bool keeps = shared_.spec.classes == ClassSet::Extend || incumbent_is_ours_;
  return joined_labels(keeps ? head_.labels : std::vector<std::string>(), store_->labels());
}

std::vector<Lesson> Collector::lessons(HoldoutSide side, const std::vector<std::string>& classes) const {
  const std::set<std::string> wanted(classes.begin(), classes.end());
  std::vector<Lesson> list;
  for (const SamplePtr& sample : store_->samples())
    if (sample->side == side && sample->feature_origin == origin_ && sample->feature.size() == head_.features &&
        wanted.contains(sample->label))
      list.push_back({sample, nullptr, 0});
  return list;
}

std::vector<Lesson> Collector::rehearsed(HoldoutSide side, const std::vector<std::string>& classes) const {
  return rehearsal_.lessons(side, origin_, {classes.begin(), classes.end()});
}

void Collector::rebuild_instant(InstantHeadKind kind) {
  instant_.emplace(kind, head_.features);
  instant_kind_ = kind;
  instant_stale_ = false;
  const std::vector<std::string> all = classes();
  for (const std::vector<Lesson>& part : {lessons(HoldoutSide::Train, all), rehearsed(HoldoutSide::Train, all)})
    for (const Lesson& lesson : part) instant_->add(lesson.sample->label, lesson.sample->feature);
}

Result<std::optional<LinearHead>> Collector::take_instant_head(InstantHeadKind kind) {
  instant_due_ = false;
  since_instant_ = 0;
  if (instant_stale_ || !instant_ || kind != instant_kind_) rebuild_instant(kind);
  std::vector<std::string> known;
  bool covered = true;
  for (const std::string& label : classes()) {
    const bool sampled = instant_->samples(label) > 0;
    if (!sampled && !head_.find(label)) continue;
    covered &= sampled;
    known.push_back(label);
  }
  if (known.size() < 2) return std::optional<LinearHead>();
  ClassMeans means(head_.features);
  if (covered) {
    const Result<LinearHead> head = instant_->head();
    if (!head) return head.error();
    return std::optional(imprinted_head(*head, known, means));  // the same rows, in the order of the classes
  }
  for (const Lesson& lesson : lessons(HoldoutSide::Train, known))
    means.add(lesson.sample->label, lesson.sample->feature);
  return std::optional(imprinted_head(head_, known, means));
}

void Collector::ask_for_labels() {
  if (shared_.rules().sample_policy != SamplePolicy::Uncertain) return;
  shared_.drop_expired_requests();
  // Keys first: pictures that are held keep the ring from using their slots.
  std::vector<std::pair<uint64_t, SampleKey>> unseen;
  for (const Candidate& candidate : shared_.ring.between(0, UINT64_MAX))
    if (candidate.number > last_looked_ && candidate.held.label.empty())
      unseen.emplace_back(candidate.number, candidate.key);
  for (const auto& [number, key] : unseen) {
    if (shared_.is_stopping() || !shared_.may_request()) return;
    last_looked_ = number;
    if (const std::optional<Candidate> candidate = shared_.ring.find(key)) request_label(*candidate);
  }
}

void Collector::request_label(const Candidate& candidate) {
  const Result<std::vector<float>> feature = maker_->make(view_of(*candidate.picture));
  if (!feature) return shared_.fail(feature.error());
  const ModelCard& card = incumbent_.snapshot->model().card();
  const std::vector<double> sure = confidences(head_.logits(*feature), card.temperature);
  const double how_sure = margin(sure);
  if (how_sure >= kDoubtfulMargin) return;
  const SmallPicture& picture = *candidate.picture;
  const std::span<const uint8_t> pixels(picture.rgb.data(), static_cast<size_t>(picture.width * picture.height * 3));
  const Result<std::string> jpeg = encode_jpeg(pixels, picture.width, picture.height, kThumbnailQuality);
  if (!jpeg) return shared_.fail(jpeg.error());
  constexpr size_t kShown = 5;
  shared_.tell(LabelRequest{shared_.open_request(candidate.key),
                            candidate.key,
                            best_classes(sure, card, kShown),
                            how_sure,
                            {jpeg->begin(), jpeg->end()}});
}

void Collector::show_counts() {
  const StoreCounts counts = store_->counts();
  new_train_ = counts.train;
  for (const auto& [label, samples] : counts.train_per_class) instant_samples_[label] = samples;
  instant_due_ = counts.train > 0;
  shared_.update([&](LearnerStatus& status) { status.store = counts; });
}

}  // namespace resnetft
