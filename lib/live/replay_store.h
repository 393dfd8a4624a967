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
#include "live/store_note.h"
#include "resnetft/error.h"

namespace resnetft {

struct ReplayStoreSpec {
  std::string location = {};  // a folder; empty: memory only
  bool store_frames = false;  // pictures go to the folder, too
  ReservoirRule reservoir = {};
  HoldoutRule holdout = {};
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

// The file: FOLDER/store.resnetft, version 1 (store_record.h), appended to; a snapshot of what is kept is written whole
// (temporary file, rename) when the log has grown to twice of it. At open what is damaged is cut off with a note, and
// what follows it goes to store.resnetft.damaged. A kill of the process tears at most the record being written; the
// disk is waited for (fdatasync) with the first record a second after the last time, by sync() and at the end. Where
// the file cannot be written, the store goes on in memory: one note says so, the file keeps its last good record, a
// snapshot is tried again after 1 s, then in ever longer steps of up to a minute, and a note says when it succeeded.
// With the same calls a store that was closed and opened again decides as one that never was: exactly where pictures
// are stored or none were given; else by count and class, because pictures that are gone weigh nothing. Reentrant, not
// thread-safe: the learner's thread owns it.
class ReplayStore {
 public:
  // `note` gets sentences for people, now and later: what was resumed, what was cut off or deleted, that writing
  // failed, that it goes on. CorruptFile for a foreign file, Incompatible for another version (names both); Io;
  // InvalidArgument where it is open already (flock). Without store_frames, pictures that an earlier run stored leave
  // the disk.
  static Result<std::unique_ptr<ReplayStore>> open(const ReplayStoreSpec& spec, const StoreNote& note);
  ~ReplayStore();

  struct Added {
    SampleFate fate = SampleFate::Stored;
    std::shared_ptr<const Sample> sample;  // as stored; none where it was not
  };
  // Gives `sample` its id, side and block, and copies its picture, so that no slot of a ring stays in the store's
  // hands. `reject_duplicates`: sample-policy=changed. Samples without features of one origin are duplicates where
  // their pictures are equal. A picture that is there already keeps its id and side under another label. Its memory may
  // be bounded away at once: then the fate is what it was, and the sample is no longer found. InvalidArgument: no
  // label, or a picture whose pixels are not of its size. A file that cannot be written is no error here:
  // write_status().
  Result<Added> add(Sample sample, bool reject_duplicates);

  // Io while the file lacks what memory has: why. Success for a store in memory only.
  Status write_status() const;
  // Writes what the file lacks, and waits for the disk. For moments without work: add() waits at most once a second.
  Status sync();

  // A feature made anew by another trunk; the old one is dropped. No such id: nothing happens. Looks for no duplicates:
  // a trunk that makes all features alike must not empty the store.
  Status set_feature(uint64_t id, std::string origin, std::vector<float> feature);

  std::shared_ptr<const Sample> find(const SampleKey& key) const;
  // What is kept, by id: a copy of pointers, so that a run works on what was there when it began.
  std::vector<std::shared_ptr<const Sample>> samples() const;
  StoreCounts counts() const;
  std::vector<std::string> labels() const;  // in the order in which they were first seen
  uint64_t next_epoch() const;              // above every epoch in the store

  // FOLDER/train/LABEL/ID.png and FOLDER/val/LABEL/ID.png, which ft-tool train takes; without held-out samples there is
  // no val. Labels that are no file names are percent-encoded, ones too long for a file name end in a hash.
  // Incompatible where samples have no picture (names store-frames). InvalidArgument: FOLDER is not empty. Io.
  Status export_to(const std::string& folder) const;

 private:
  struct State;
  explicit ReplayStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// SHA-256 over ids, keys, labels and sides: what a training run learned from.
std::string manifest_of(std::span<const std::shared_ptr<const Sample>> samples);

}  // namespace resnetft
