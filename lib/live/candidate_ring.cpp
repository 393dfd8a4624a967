// SPDX-License-Identifier: MIT
// Entries move between two lists, kept and free, by splicing: no list operation of put() allocates. Each owns a slot,
// whose count of readers says whether it may be written to: a reader lets go with release, put() looks with acquire.
#include "live/candidate_ring.h"

#include <algorithm>
#include <atomic>
#include <list>
#include <utility>

#include "live/reduction.h"

namespace resnetft {
namespace {

struct Slot {
  SmallPicture picture;
  std::atomic<uint32_t> readers = 0;

  bool in_hands() const { return readers.load(std::memory_order_acquire) != 0; }
};
using Slots = std::vector<Slot>;

struct Entry {
  Slot* slot;
  SampleKey key;
  Place place;
  HeldLabel held;
  uint64_t clock_ns = 0;   // of the ring, when it came
  bool waits = false;      // labelled, and nobody has taken it yet
  bool forgotten = false;  // only waits to be taken
};

uint64_t slot_bytes(const CandidateRingSpec& spec) {
  return uint64_t{3} * static_cast<uint64_t>(std::max(spec.width, 1)) * static_cast<uint64_t>(std::max(spec.height, 1));
}

bool same_epoch(const SampleKey& a, const SampleKey& b) { return a.epoch == b.epoch && a.stream_id == b.stream_id; }

}  // namespace

CandidateRingSpec ring_spec_for(const PreprocessSpec& spec, uint64_t max_bytes, uint64_t max_time_ns) {
  const Size size = kept_size(spec);
  return {
      .max_bytes = max_bytes, .max_time_ns = max_time_ns, .width = size.width, .height = size.height, .model = spec};
}

struct CandidateRing::State {
  const CandidateRingSpec spec;
  std::shared_ptr<Slots> slots;
  Reduction reduction;
  std::atomic<uint64_t> busy = 0, without_slot = 0;

  mutable std::mutex mutex;  // of all below
  std::list<Entry> kept;     // oldest first
  std::list<Entry> free;
  SampleKey newest;
  uint64_t clock_ns = 0;  // time that has passed in all epochs together

  explicit State(const CandidateRingSpec& ring_spec)
      : spec(ring_spec),
        slots(std::make_shared<Slots>(std::max<uint64_t>(2, spec.max_bytes / slot_bytes(spec)))),
        reduction(spec.model, {spec.width, spec.height}) {
    for (Slot& slot : *slots) {
      slot.picture.rgb.resize(slot_bytes(spec));
      free.push_back({.slot = &slot, .key = {}, .place = {}, .held = {}});
    }
  }

  void advance(const SampleKey& key) {
    if (same_epoch(key, newest) && key.running_time_ns > newest.running_time_ns)
      clock_ns += key.running_time_ns - newest.running_time_ns;
    newest = key;
  }

  std::list<Entry>::iterator release(std::list<Entry>::iterator entry) {
    const auto next = std::next(entry);
    free.splice(free.begin(), kept, entry);
    return next;
  }

  void forget(std::list<Entry>::iterator& entry) {
    entry->forgotten = true;
    entry = entry->waits ? std::next(entry) : release(entry);
  }

  void forget_old() {
    for (auto entry = kept.begin(); entry != kept.end() && clock_ns - entry->clock_ns > spec.max_time_ns;)
      forget(entry);
  }

  // An entry to write to, moved to the front of `free`.
  bool find_room() {
    const auto usable = std::ranges::find_if(free, [](const Entry& entry) { return !entry.slot->in_hands(); });
    if (usable != free.end()) {
      free.splice(free.begin(), free, usable);
      return true;
    }
    const auto oldest =
        std::ranges::find_if(kept, [](const Entry& entry) { return !entry.waits && !entry.slot->in_hands(); });
    if (oldest == kept.end()) return false;
    release(oldest);
    return true;
  }

  // A pointer to the picture that keeps the slots alive and its own from being written to.
  SmallPicturePtr lend(Slot& slot) const {
    slot.readers.fetch_add(1, std::memory_order_relaxed);
    return {&slot.picture,
            [owner = slots, &slot](const SmallPicture*) { slot.readers.fetch_sub(1, std::memory_order_release); }};
  }

  Candidate candidate(const Entry& entry) const { return {entry.key, entry.place, entry.held, lend(*entry.slot)}; }
};

CandidateRing::CandidateRing(const CandidateRingSpec& spec) : state_(std::make_unique<State>(spec)) {}
CandidateRing::~CandidateRing() = default;

Result<CandidateRing::Put> CandidateRing::put(const ImageView& image, const SampleKey& key, const Place& place,
                                              const HeldLabel& held) {
  const std::unique_lock lock(state_->mutex, std::try_to_lock);
  if (!lock) {
    ++state_->busy;
    return Put::Busy;
  }
  state_->advance(key);
  state_->forget_old();
  if (!state_->find_room()) {
    ++state_->without_slot;
    return Put::NoSlot;
  }
  Entry& entry = state_->free.front();
  if (Status status = state_->reduction.run(image, entry.slot->picture); !status) return status.error();
  entry.key = key;
  entry.place = place;
  entry.held = held;
  entry.clock_ns = state_->clock_ns;
  entry.waits = !held.label.empty();
  entry.forgotten = false;
  state_->kept.splice(state_->kept.end(), state_->free, state_->free.begin());
  return Put::Kept;
}

std::vector<Candidate> CandidateRing::take_labelled() {
  const std::lock_guard lock(state_->mutex);
  std::vector<Candidate> taken;
  for (auto entry = state_->kept.begin(); entry != state_->kept.end();) {
    if (entry->waits) taken.push_back(state_->candidate(*entry));
    entry->waits = false;
    entry = entry->forgotten ? state_->release(entry) : std::next(entry);
  }
  return taken;
}

std::vector<Candidate> CandidateRing::between(uint64_t from_ns, uint64_t to_ns) const {
  const std::lock_guard lock(state_->mutex);
  std::vector<Candidate> found;
  for (const Entry& entry : state_->kept) {
    const bool inside = from_ns <= entry.key.running_time_ns && entry.key.running_time_ns <= to_ns;
    if (inside && !entry.forgotten && same_epoch(entry.key, state_->newest)) found.push_back(state_->candidate(entry));
  }
  return found;
}

std::optional<Candidate> CandidateRing::find(const SampleKey& key) const {
  const std::lock_guard lock(state_->mutex);
  for (const Entry& entry : state_->kept)
    if (!entry.forgotten && entry.key == key) return state_->candidate(entry);
  return std::nullopt;
}

void CandidateRing::clear() {
  const std::lock_guard lock(state_->mutex);
  for (auto entry = state_->kept.begin(); entry != state_->kept.end();) state_->forget(entry);
}

uint64_t CandidateRing::busy() const { return state_->busy; }
uint64_t CandidateRing::without_slot() const { return state_->without_slot; }
size_t CandidateRing::slots() const { return state_->slots->size(); }

}  // namespace resnetft
