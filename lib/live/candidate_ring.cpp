// SPDX-License-Identifier: MIT
// A slot says by itself who may touch it: its count of holders is below zero while put() fills it, above while somebody
// reads. So no thread waits for another, not even for one of idle priority that was put aside in the middle of a look;
// what such a thread holds is passed over. Only the streaming thread knows the order in which slots are used again.
#include "live/candidate_ring.h"

#include <algorithm>
#include <atomic>
#include <list>
#include <utility>

#include "live/reduction.h"

namespace resnetft {
namespace {

class Slot {
 public:
  SmallPicture picture;
  SampleKey key;
  Place place;
  HeldLabel held;
  uint64_t number = 0;              // of those that were kept, from 1; 0: nothing was kept here
  uint64_t clock_ns = 0;            // of the ring, when it came
  std::atomic<bool> waits = false;  // labelled, and nobody has taken it yet; set to false by a holder only

  // For a reader.
  bool hold() {
    int32_t count = holders_.load(std::memory_order_relaxed);
    while (count != kFilling)
      if (holders_.compare_exchange_weak(count, count + 1, std::memory_order_acquire, std::memory_order_relaxed))
        return true;
    return false;
  }
  void let_go() { holders_.fetch_sub(1, std::memory_order_release); }

  // For put().
  bool begin_filling() {
    int32_t none = 0;
    return !waits.load(std::memory_order_relaxed) &&
           holders_.compare_exchange_strong(none, kFilling, std::memory_order_acquire, std::memory_order_relaxed);
  }
  void end_filling() { holders_.store(0, std::memory_order_release); }

 private:
  static constexpr int32_t kFilling = -1;
  std::atomic<int32_t> holders_ = 0;
};
using Slots = std::vector<Slot>;

uint64_t slot_bytes(const CandidateRingSpec& spec) {
  return uint64_t{3} * static_cast<uint64_t>(std::max(spec.width, 1)) * static_cast<uint64_t>(std::max(spec.height, 1));
}

std::vector<Candidate> oldest_first(std::vector<Candidate> lent) {
  std::ranges::sort(lent, {}, &Candidate::number);
  return lent;
}

}  // namespace

CandidateRingSpec ring_spec_for(const PreprocessSpec& spec, uint64_t max_bytes, uint64_t max_time_ns) {
  const Size size = kept_size(spec);
  return {
      .max_bytes = max_bytes, .max_time_ns = max_time_ns, .width = size.width, .height = size.height, .model = spec};
}

struct CandidateRing::State {
  const CandidateRingSpec spec;
  const std::shared_ptr<Slots> slots;
  std::atomic<uint64_t> without_slot = 0;
  std::atomic<uint64_t> clock_ns = 0;     // time that has passed in all epochs together
  std::atomic<uint64_t> epoch_begin = 1;  // number of the first of the newest epoch
  std::atomic<uint64_t> cleared = 0;      // number of the last that clear() forgot
  std::atomic<uint64_t> last_number = 0;

  // Of the streaming thread.
  Reduction reduction;
  std::list<Slot*> order;             // the one to be used next first
  uint64_t epoch = 0, latest_ns = 0;  // the newest, and its latest running time, of whatever stream

  explicit State(const CandidateRingSpec& ring_spec)
      : spec(ring_spec),
        slots(std::make_shared<Slots>(std::max<uint64_t>(2, spec.max_bytes / slot_bytes(spec)))),
        reduction(spec.model, {spec.width, spec.height}) {
    for (Slot& slot : *slots) {
      slot.picture.rgb.resize(slot_bytes(spec));
      order.push_back(&slot);
    }
  }

  void advance(const SampleKey& key) {
    if (key.epoch != epoch) {
      epoch_begin = last_number + 1;
      epoch = key.epoch;
    } else if (key.running_time_ns > latest_ns) {
      clock_ns += key.running_time_ns - latest_ns;
    } else {
      return;  // of a stream that lags behind another
    }
    latest_ns = key.running_time_ns;
  }

  // Of a slot that is held, as is lend().
  bool is_remembered(const Slot& slot) const {
    return slot.number > cleared && clock_ns - slot.clock_ns <= spec.max_time_ns;
  }

  // Its picture keeps the slots alive, and its own slot held.
  Candidate lend(Slot& slot) const {
    const auto let_go = [owner = slots, &slot](const SmallPicture*) { slot.let_go(); };
    SmallPicturePtr picture(&slot.picture, let_go);
    return {slot.key, slot.place, slot.held, std::move(picture), slot.number};
  }

  // Nothing where the slot is being filled or `wanted`, which is asked while the slot is held, says no.
  template <typename Wanted>
  std::optional<Candidate> lend_if(Slot& slot, const Wanted& wanted) const {
    if (!slot.hold()) return std::nullopt;
    if (wanted(slot)) return lend(slot);
    slot.let_go();
    return std::nullopt;
  }
};

CandidateRing::CandidateRing(const CandidateRingSpec& spec) : state_(std::make_unique<State>(spec)) {}
CandidateRing::~CandidateRing() = default;

Result<CandidateRing::Put> CandidateRing::put(const ImageView& image, const SampleKey& key, const Place& place,
                                              const HeldLabel& held) {
  State& state = *state_;
  state.advance(key);
  const auto next = std::ranges::find_if(state.order, [](Slot* slot) { return slot->begin_filling(); });
  if (next == state.order.end()) {
    ++state.without_slot;
    return Put::NoSlot;
  }
  Slot& slot = **next;
  slot.number = 0;
  const Status reduced = state.reduction.run(image, slot.picture);
  if (reduced) {
    slot.key = key;
    slot.place = place;
    slot.held = held;
    slot.number = ++state.last_number;
    slot.clock_ns = state.clock_ns;
    slot.waits.store(!held.label.empty(), std::memory_order_relaxed);
    state.order.splice(state.order.end(), state.order, next);
  }
  slot.end_filling();
  if (!reduced) return reduced.error();
  return Put::Kept;
}

std::vector<Candidate> CandidateRing::take_labelled() {
  // One that comes while the slots are gone through is left for the next time: the one before it may be in a slot that
  // was passed already.
  const uint64_t last = state_->last_number;
  const auto is_due = [&](Slot& slot) {
    return slot.number <= last && slot.waits.exchange(false, std::memory_order_relaxed);
  };
  std::vector<Candidate> taken;
  for (Slot& slot : *state_->slots) {
    if (!slot.waits) continue;  // as nearly all: not worth a hold
    if (auto lent = state_->lend_if(slot, is_due)) taken.push_back(std::move(*lent));
  }
  return oldest_first(std::move(taken));
}

std::vector<Candidate> CandidateRing::between(uint64_t from_ns, uint64_t to_ns) const {
  const auto is_inside = [&](const Slot& slot) {
    return from_ns <= slot.key.running_time_ns && slot.key.running_time_ns <= to_ns &&
           slot.number >= state_->epoch_begin && state_->is_remembered(slot);
  };
  std::vector<Candidate> found;
  for (Slot& slot : *state_->slots)
    if (auto lent = state_->lend_if(slot, is_inside)) found.push_back(std::move(*lent));
  return oldest_first(std::move(found));
}

std::optional<Candidate> CandidateRing::find(const SampleKey& key) const {
  const auto is_it = [&](const Slot& slot) { return slot.key == key && state_->is_remembered(slot); };
  for (Slot& slot : *state_->slots)
    if (auto lent = state_->lend_if(slot, is_it)) return lent;
  return std::nullopt;
}

void CandidateRing::clear() { state_->cleared = state_->last_number.load(); }

uint64_t CandidateRing::without_slot() const { return state_->without_slot; }
size_t CandidateRing::slots() const { return state_->slots->size(); }

}  // namespace resnetft
