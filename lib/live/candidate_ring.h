// SPDX-License-Identifier: MIT
// Pictures that have passed and may still be labelled: reduced on the streaming thread into slots that were allocated
// beforehand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "live/label_track.h"
#include "live/sample.h"
#include "resnetft/error.h"
#include "resnetft/image.h"
#include "resnetft/preprocess.h"

namespace resnetft {

struct CandidateRingSpec {
  uint64_t max_bytes = uint64_t{64} << 20;  // of pictures; at least two slots are made whatever it says
  uint64_t max_time_ns = 30'000'000'000;    // older than the newest by more: forgotten
  int width = 0, height = 0;                // of a slot: the model's input and an eighth of margin
  PreprocessSpec model = {};                // what will look at the pictures; see reduction.h
};

struct Candidate {
  SampleKey key;
  Place place;
  HeldLabel held;
  SmallPicturePtr picture;
  uint64_t number = 0;  // later ones have higher ones
};

// For a model that looks at `spec`: slots of kept_size(), so that the kept picture under `spec` is to the model what
// the frame would have been.
CandidateRingSpec ring_spec_for(const PreprocessSpec& spec, uint64_t max_bytes, uint64_t max_time_ns);

// put() and clear() belong to the streaming thread, the rest to any thread; nobody ever waits for another. A picture
// that was handed out is its holder's until the last pointer to it is gone, also beyond the ring's own end; then its
// slot is used again.
class CandidateRing {
 public:
  explicit CandidateRing(const CandidateRingSpec& spec);
  ~CandidateRing();

  enum class Put { Kept, NoSlot };
  // Reduces `image` (its region, its orientation) to a slot and remembers it; the oldest goes. NoSlot: every slot is in
  // somebody's hands, or holds a labelled candidate that waits to be taken; that is counted. Allocates nothing once
  // sizes and names repeat. Errors of Preprocessor.
  Result<Put> put(const ImageView& image, const SampleKey& key, const Place& place, const HeldLabel& held);

  // The candidates with a label that nobody has taken yet, oldest first; they stay in the ring.
  std::vector<Candidate> take_labelled();

  // Of the newest epoch, from <= running time <= to. Oldest first.
  std::vector<Candidate> between(uint64_t from_ns, uint64_t to_ns) const;
  std::optional<Candidate> find(const SampleKey& key) const;

  // STREAM_START, FLUSH_STOP: candidates are forgotten; labelled ones that were not taken yet are still taken.
  void clear();

  uint64_t without_slot() const;
  size_t slots() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace resnetft
