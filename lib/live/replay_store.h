// SPDX-License-Identifier: MIT
// The labelled pictures that a learner keeps, in memory and, where asked, in a folder that survives a crash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"
#include "live/holdout.h"
#include "live/reservoir.h"
#include "live/sample.h"
#include "resnetft/error.h"

namespace resnetft {

struct ReplayStoreSpec {
  std::string location;       // a folder; empty: memory only
  bool store_frames = false;  // pictures go to the folder, too
  ReservoirRule reservoir;
  HoldoutRule holdout;
};

enum class SampleFate {
  Stored,
  Relabelled,  // the same picture was there: its label was replaced
  Kept,        // the same picture was there under a label that is at least as strong
  Duplicate,   // nearer than kDuplicateDistance: to a kept sample where asked; a held-out one to a training one always
  LeftOut,     // within the gap of the other side
  NoRoom       // the reservoir drew another
};
const char* sample_fate_name(SampleFate fate);  // "stored"

struct StoreCounts {
  size_t train = 0, holdout = 0;
  uint64_t bytes = 0;
  uint64_t offered = 0, evicted = 0, left_out = 0, duplicates = 0, no_room = 0;
  std::map<std::string, size_t> train_per_class, holdout_per_class;
};

// The file format, version 1: FOLDER/store.resnetft, a header (magic, version), then records, each with its length and
// a CRC-32C, appended only; a snapshot of what is kept is written whole (temporary file, rename) when the log has
// grown to twice of it. At open a damaged or cut tail is cut off with a note.
// Reentrant, not thread-safe: the learner's thread owns it.
class ReplayStore {
 public:
  // `note` gets sentences for people: what was cut off, what was resumed. CorruptFile, Incompatible for a foreign file
  // or another version (names both); Io; InvalidArgument where another process has it open (flock).
  static Result<std::unique_ptr<ReplayStore>> open(const ReplayStoreSpec& spec,
                                                   const std::function<void(const std::string&)>& note);
  ~ReplayStore();

  struct Added {
    SampleFate fate = SampleFate::Stored;
    std::shared_ptr<const Sample> sample;  // as stored; none where it was not
  };
  // Gives `sample` its id, side and block. `reject_duplicates`: sample-policy=changed. Io: the store goes on in memory
  // and says so, the sample is kept.
  Result<Added> add(Sample sample, bool reject_duplicates);

  // A feature made anew by another trunk; the old one is dropped. No such id: nothing happens.
  Status set_feature(uint64_t id, std::string origin, std::vector<float> feature);

  std::shared_ptr<const Sample> find(const SampleKey& key) const;
  // What is kept, by id: a copy of pointers, so that a run works on what was there when it began.
  std::vector<std::shared_ptr<const Sample>> samples() const;
  StoreCounts counts() const;
  std::vector<std::string> labels() const;  // in the order in which they were first seen
  uint64_t next_epoch() const;              // above every epoch in the store

  // FOLDER/train/LABEL/ID.png and FOLDER/val/LABEL/ID.png, which ft-tool train takes. Labels that are no file names are
  // percent-encoded. Incompatible where samples have no picture (names store-frames). InvalidArgument: FOLDER is not
  // empty.
  Status export_to(const std::string& folder) const;

 private:
  struct State;
  explicit ReplayStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// SHA-256 over ids, keys, labels and sides: what a training run learned from.
std::string manifest_of(std::span<const std::shared_ptr<const Sample>> samples);

}  // namespace resnetft
