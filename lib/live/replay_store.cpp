// SPDX-License-Identifier: MIT
// Hold-out and reservoir decide, a record says what that changed, and the log writes it. The same records, applied at
// open, bring memory back to where it was.
#include "live/replay_store.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <utility>

#include "live/store_export.h"
#include "live/store_log.h"
#include "live/store_record.h"

namespace resnetft {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kLeastSnapshotted = uint64_t{1} << 20;  // smaller logs are not worth a snapshot
constexpr std::chrono::seconds kFirstRetry{1}, kLastRetry{60};

struct Kept {
  std::shared_ptr<const Sample> sample;
  double length;  // of its feature
};

// In sixteen sums, which a compiler keeps in vector registers.
double dot(std::span<const float> a, std::span<const float> b) {
  constexpr size_t kSums = 16;
  std::array<float, kSums> sums{};
  const size_t whole = a.size() / kSums * kSums;
  for (size_t i = 0; i < whole; i += kSums)
    for (size_t j = 0; j < kSums; ++j) sums[j] += a[i + j] * b[i + j];
  double sum = 0;
  for (const float part : sums) sum += part;
  for (size_t i = whole; i < a.size(); ++i) sum += double{a[i]} * b[i];
  return sum;
}

double length_of(std::span<const float> feature) { return std::sqrt(dot(feature, feature)); }

bool have_comparable_features(const Sample& a, const Sample& b) {
  return !a.feature.empty() && a.feature.size() == b.feature.size() && a.feature_origin == b.feature_origin;
}

bool have_equal_pictures(const Sample& a, const Sample& b) {
  return a.picture && b.picture && a.picture->width == b.picture->width && a.picture->height == b.picture->height &&
         a.picture->rgb == b.picture->rgb;
}

// As feature_distance() < kDuplicateDistance, with the lengths known.
bool are_near(const Sample& a, double a_length, const Kept& b) {
  if (!have_comparable_features(a, *b.sample)) return have_equal_pictures(a, *b.sample);
  if (a_length == 0 || b.length == 0) return a_length == b.length;
  return 1 - dot(a.feature, b.sample->feature) / (a_length * b.length) < kDuplicateDistance;
}

Status check(const Sample& sample) {
  if (sample.label.empty()) return Error{ErrorCode::InvalidArgument, "a sample without a label", ""};
  if (!sample.picture) return Status::success();
  const SmallPicture& picture = *sample.picture;
  if (picture.width >= 1 && picture.height >= 1 && picture.width <= 32768 && picture.height <= 32768 &&
      picture.rgb.size() == size_t{3} * static_cast<size_t>(picture.width) * static_cast<size_t>(picture.height))
    return Status::success();
  return Error{ErrorCode::InvalidArgument, "a sample whose picture's pixels are not of its size", ""};
}

std::string failure_note(const Error& error) { return to_string(error) + "; the replay store goes on in memory"; }

}  // namespace

const char* sample_fate_name(SampleFate fate) {
  static constexpr const char* kNames[] = {"stored", "relabelled", "kept", "duplicate", "left-out", "no-room"};
  return kNames[static_cast<int>(fate)];
}

struct ReplayStore::State {
  const ReplayStoreSpec spec;
  const StoreNote note;
  Holdout holdout{spec.holdout};
  Reservoir reservoir{spec.reservoir};
  StoreTotals totals;
  std::map<uint64_t, Kept> kept;
  std::map<SampleKey, uint64_t> ids;
  std::vector<std::string> labels;
  // What the file holds that has not been given to hold-out and reservoir yet; empty once it is open.
  std::map<uint64_t, HoldoutBlock> loaded_blocks;
  std::map<std::string, uint64_t> loaded_seen;

  std::unique_ptr<StoreLog> log;  // none: memory only
  uint64_t snapshot_above = 0;    // bytes of the log
  Status written = Status::success();
  Clock::time_point retry_at;
  std::chrono::seconds retry_after = kFirstRetry;

  State(const ReplayStoreSpec& store_spec, const StoreNote& note_to) : spec(store_spec), note(note_to) {}

  // Memory.
  void keep(std::shared_ptr<const Sample> sample);
  void drop(uint64_t id);
  void drop_all(const std::vector<uint64_t>& gone);
  void learn_label(const std::string& label, StoreRecord& change);
  const Sample* found(const SampleKey& key) const;
  bool is_near(const Sample& sample, std::optional<HoldoutSide> side) const;

  // Decisions; each fills in what it changed.
  Added place(Sample sample, bool reject_duplicates, StoreRecord& change);
  Added relabel(const Sample& earlier, const Sample& later, StoreRecord& change);
  std::shared_ptr<const Sample> replace_sample(Sample changed, StoreRecord& change);

  // The file.
  bool apply(StoreRecord&& record);
  size_t finish_loading();
  void say_what_was_resumed(size_t resumed, size_t without_room, bool deletes_pictures) const;
  std::vector<EncodedRecord> snapshot() const;
  Status open_log();
  void write(StoreRecord& change);
  void fall_behind(const Error& error);
  void catch_up();
  void write_snapshot_if_due();
};

void ReplayStore::State::keep(std::shared_ptr<const Sample> sample) {
  ids[sample->key] = sample->id;
  kept[sample->id] = {sample, length_of(sample->feature)};
}

void ReplayStore::State::drop(uint64_t id) {
  const auto entry = kept.find(id);
  if (entry == kept.end()) return;
  ids.erase(entry->second.sample->key);
  kept.erase(entry);
}

void ReplayStore::State::drop_all(const std::vector<uint64_t>& gone) {
  for (const uint64_t id : gone) drop(id);
}

void ReplayStore::State::learn_label(const std::string& label, StoreRecord& change) {
  if (std::ranges::find(labels, label) != labels.end()) return;
  labels.push_back(label);
  change.labels.push_back(label);
}

const Sample* ReplayStore::State::found(const SampleKey& key) const {
  const auto id = ids.find(key);
  return id == ids.end() ? nullptr : kept.find(id->second)->second.sample.get();
}

bool ReplayStore::State::is_near(const Sample& sample, std::optional<HoldoutSide> side) const {
  const double length = length_of(sample.feature);
  return std::ranges::any_of(kept, [&](const auto& entry) {
    return (!side || entry.second.sample->side == *side) && are_near(sample, length, entry.second);
  });
}

ReplayStore::Added ReplayStore::State::place(Sample sample, bool reject_duplicates, StoreRecord& change) {
  if (reject_duplicates && is_near(sample, {})) return ++totals.duplicates, Added{SampleFate::Duplicate, nullptr};

  sample.side = holdout.assign(sample.place, sample.label);
  const HoldoutBlock block = *holdout.block(sample.place, sample.label);
  change.blocks.push_back(block);
  if (sample.side == HoldoutSide::LeftOut) return ++totals.left_out, Added{SampleFate::LeftOut, nullptr};
  const HoldoutSide other = sample.side == HoldoutSide::Train ? HoldoutSide::Holdout : HoldoutSide::Train;
  if (is_near(sample, other)) return ++totals.duplicates, Added{SampleFate::Duplicate, nullptr};

  sample.id = ++totals.last_id;
  sample.block = block.number;
  const Reservoir::Placement placement = reservoir.offer(sample.id, sample.label, sample_bytes(sample));
  change.seen.emplace_back(sample.label, reservoir.seen(sample.label));
  change.gone = placement.evicted;
  drop_all(placement.evicted);
  if (!placement.kept) return {SampleFate::NoRoom, nullptr};

  learn_label(sample.label, change);
  if (sample.picture) sample.picture = std::make_shared<const SmallPicture>(*sample.picture);
  change.with_feature = true;
  change.with_picture = spec.store_frames;
  const auto stored = std::make_shared<const Sample>(std::move(sample));
  keep(stored);
  change.sample = *stored;
  return {SampleFate::Stored, stored};
}

ReplayStore::Added ReplayStore::State::relabel(const Sample& earlier, const Sample& later, StoreRecord& change) {
  const std::shared_ptr<const Sample> there = kept[earlier.id].sample;
  const bool is_same = earlier.label == later.label && earlier.source == later.source;
  if (is_same || !replaces(earlier.source, later.source)) return {SampleFate::Kept, there};
  Sample changed = *there;
  changed.label = later.label;
  changed.source = later.source;
  learn_label(changed.label, change);
  return {SampleFate::Relabelled, replace_sample(std::move(changed), change)};
}

// Label and bytes may differ; what no longer fits goes, `changed` itself at worst.
std::shared_ptr<const Sample> ReplayStore::State::replace_sample(Sample changed, StoreRecord& change) {
  const std::string earlier_label = kept[changed.id].sample->label;
  change.gone = reservoir.change(changed.id, changed.label, sample_bytes(changed));
  change.seen.emplace_back(changed.label, reservoir.seen(changed.label));
  if (earlier_label != changed.label) change.seen.emplace_back(earlier_label, reservoir.seen(earlier_label));
  const auto stored = std::make_shared<const Sample>(std::move(changed));
  keep(stored);
  drop_all(change.gone);
  if (kept.contains(stored->id)) change.sample = *stored;
  return stored;
}

// Of a record that memory does not agree with, false: it was not written by this code.
bool ReplayStore::State::apply(StoreRecord&& record) {
  if (record.sample) {
    Sample& sample = *record.sample;
    const auto there = kept.find(sample.id);
    const auto same_key = ids.find(sample.key);
    if (sample.id > record.totals.last_id || (same_key != ids.end() && same_key->second != sample.id)) return false;
    if (there != kept.end()) {
      const Sample& earlier = *there->second.sample;
      if (earlier.key != sample.key) return false;
      if (!record.with_feature) {
        sample.feature_origin = earlier.feature_origin;
        sample.feature = earlier.feature;
      }
      if (!record.with_picture) sample.picture = earlier.picture;
    }
    keep(std::make_shared<const Sample>(std::move(sample)));
  }
  totals = record.totals;
  drop_all(record.gone);
  for (HoldoutBlock& block : record.blocks) loaded_blocks[block.number] = std::move(block);
  for (auto& [name, count] : record.seen) loaded_seen[name] = count;
  StoreRecord ignored;
  for (const std::string& label : record.labels) learn_label(label, ignored);
  return true;
}

// How many samples there is no room for any more.
size_t ReplayStore::State::finish_loading() {
  std::vector<HoldoutBlock> blocks;
  for (auto& [number, block] : std::exchange(loaded_blocks, {})) blocks.push_back(std::move(block));
  holdout.restore(blocks);
  // Neither feature nor picture: nothing can be learned from it any more.
  std::erase_if(kept, [&](const auto& entry) {
    const Sample& sample = *entry.second.sample;
    const bool useless = sample.feature.empty() && !sample.picture;
    if (useless) ids.erase(sample.key);
    return useless;
  });
  for (const auto& [id, entry] : kept) reservoir.restore(id, entry.sample->label, sample_bytes(*entry.sample));
  for (const auto& [name, count] : std::exchange(loaded_seen, {})) reservoir.restore_seen(name, count);
  reservoir.restore_totals(totals.reservoir);
  const std::vector<uint64_t> trimmed = reservoir.trim();
  drop_all(trimmed);
  return trimmed.size();
}

void ReplayStore::State::say_what_was_resumed(size_t resumed, size_t without_room, bool deletes_pictures) const {
  const auto of_store = [&](size_t count) {
    return std::to_string(count).append(" of ").append(std::to_string(resumed)).append(" samples of '") +
           spec.location + "'";
  };
  if (resumed > 0) note(LogLevel::Info, "resumed " + of_store(kept.size()));
  if (without_room > 0)
    note(LogLevel::Warning,
         of_store(without_room) + " were deleted: replay-capacity or replay-max-bytes has become smaller");
  const auto pictures = static_cast<size_t>(
      std::ranges::count_if(kept, [](const auto& entry) { return entry.second.sample->picture != nullptr; }));
  if (deletes_pictures && pictures > 0)
    note(LogLevel::Warning, "the pictures of " + of_store(pictures) + " were deleted there: store-frames is false now");
}

// With the first record all decisions, then a record for each sample.
std::vector<EncodedRecord> ReplayStore::State::snapshot() const {
  StoreRecord decisions;
  decisions.totals = totals;
  for (auto& [name, count] : reservoir.seen()) decisions.seen.emplace_back(name, count);
  decisions.blocks = holdout.blocks();
  decisions.labels = labels;
  std::vector<EncodedRecord> records = {encode_record(decisions)};
  for (const auto& [id, entry] : kept) {
    StoreRecord record;
    record.totals = totals;
    record.sample = *entry.sample;
    record.with_feature = true;
    record.with_picture = spec.store_frames;
    // Encoded borrows the pixels of entry.sample's picture, which the copy shares.
    records.push_back(encode_record(record));
  }
  return records;
}

Status ReplayStore::State::open_log() {
  bool has_pictures = false;
  Result<std::unique_ptr<StoreLog>> opened = StoreLog::open(spec.location, note, [&](StoreRecord&& record) {
    has_pictures = has_pictures || record.with_picture;
    return apply(std::move(record));
  });
  if (!opened) return opened.error();
  log = std::move(*opened);
  const size_t resumed = kept.size();
  const size_t without_room = finish_loading();
  totals.reservoir = reservoir.totals();
  const bool deletes_pictures = has_pictures && !spec.store_frames;
  say_what_was_resumed(resumed, without_room, deletes_pictures);
  uint64_t snapshot_bytes = 0;
  for (const EncodedRecord& record : snapshot()) snapshot_bytes += record.size();
  snapshot_above = std::max(kLeastSnapshotted, 2 * snapshot_bytes);
  // What was given up must not come back at the next start, and pictures must leave the disk.
  if (kept.size() != resumed || deletes_pictures) catch_up();
  write_snapshot_if_due();
  return Status::success();
}

void ReplayStore::State::write(StoreRecord& change) {
  totals.reservoir = reservoir.totals();
  if (!log) return;
  if (!written) {
    if (Clock::now() >= retry_at) catch_up();
    return;
  }
  change.totals = totals;
  const Status appended = log->append(encode_record(change));
  if (!appended) return fall_behind(appended.error());
  write_snapshot_if_due();
}

void ReplayStore::State::fall_behind(const Error& error) {
  if (written) note(LogLevel::Warning, failure_note(error));
  retry_after = written ? kFirstRetry : std::min(2 * retry_after, kLastRetry);
  retry_at = Clock::now() + retry_after;
  written = error;
}

// All that is kept, in a new file.
void ReplayStore::State::catch_up() {
  const Status replaced = log->replace(snapshot());
  if (!replaced) return fall_behind(replaced.error());
  if (!written) note(LogLevel::Info, "the replay store '" + spec.location + "' is written again");
  written = Status::success();
  snapshot_above = std::max(kLeastSnapshotted, 2 * log->bytes());
}

// Failing, it leaves a log that is whole and is appended to until it has doubled again.
void ReplayStore::State::write_snapshot_if_due() {
  if (!written || log->bytes() <= snapshot_above) return;
  const Status replaced = log->replace(snapshot());
  if (!replaced) note(LogLevel::Warning, "the replay store's log cannot be shortened: " + to_string(replaced.error()));
  snapshot_above = std::max(kLeastSnapshotted, 2 * log->bytes());
}

ReplayStore::ReplayStore(std::unique_ptr<State> state) : state_(std::move(state)) {}

ReplayStore::~ReplayStore() {
  if (state_->log && !state_->written) state_->catch_up();
}

Result<std::unique_ptr<ReplayStore>> ReplayStore::open(const ReplayStoreSpec& spec, const StoreNote& note) {
  auto state = std::make_unique<State>(
      spec, note ? note : [](LogLevel, const std::string&) {});
  if (!spec.location.empty())
    if (Status status = state->open_log(); !status) return status.error();
  return std::unique_ptr<ReplayStore>(new ReplayStore(std::move(state)));
}

Result<ReplayStore::Added> ReplayStore::add(Sample sample, bool reject_duplicates) {
  if (Status status = check(sample); !status) return status.error();
  ++state_->totals.offered;
  state_->totals.next_epoch = std::max(state_->totals.next_epoch, sample.key.epoch + 1);
  StoreRecord change;
  const Sample* there = state_->found(sample.key);
  const Added added =
      there ? state_->relabel(*there, sample, change) : state_->place(std::move(sample), reject_duplicates, change);
  state_->write(change);
  return added;
}

Status ReplayStore::write_status() const { return state_->written; }

Status ReplayStore::sync() {
  if (!state_->log) return Status::success();
  if (!state_->written) state_->catch_up();
  if (!state_->written) return state_->written;
  const Status synced = state_->log->sync();
  if (!synced) state_->fall_behind(synced.error());
  return synced;
}

Status ReplayStore::set_feature(uint64_t id, std::string origin, std::vector<float> feature) {
  const auto there = state_->kept.find(id);
  if (there == state_->kept.end()) return Status::success();
  Sample changed = *there->second.sample;
  changed.feature_origin = std::move(origin);
  changed.feature = std::move(feature);
  StoreRecord change;
  change.with_feature = true;
  state_->replace_sample(std::move(changed), change);
  state_->write(change);
  return Status::success();
}

std::shared_ptr<const Sample> ReplayStore::find(const SampleKey& key) const {
  const auto id = state_->ids.find(key);
  return id == state_->ids.end() ? nullptr : state_->kept.find(id->second)->second.sample;
}

std::vector<std::shared_ptr<const Sample>> ReplayStore::samples() const {
  std::vector<std::shared_ptr<const Sample>> samples;
  for (const auto& [id, entry] : state_->kept) samples.push_back(entry.sample);
  return samples;
}

StoreCounts ReplayStore::counts() const {
  StoreCounts counts;
  for (const auto& [id, entry] : state_->kept) {
    const bool held_out = entry.sample->side == HoldoutSide::Holdout;
    ++(held_out ? counts.holdout : counts.train);
    ++(held_out ? counts.holdout_per_class : counts.train_per_class)[entry.sample->label];
  }
  counts.bytes = state_->reservoir.bytes();
  counts.offered = state_->totals.offered;
  counts.evicted = state_->reservoir.evicted();
  counts.left_out = state_->totals.left_out;
  counts.duplicates = state_->totals.duplicates;
  counts.no_room = state_->reservoir.refused();
  return counts;
}

std::vector<std::string> ReplayStore::labels() const { return state_->labels; }
uint64_t ReplayStore::next_epoch() const { return state_->totals.next_epoch; }
Status ReplayStore::export_to(const std::string& folder) const { return export_samples(samples(), folder); }

}  // namespace resnetft
