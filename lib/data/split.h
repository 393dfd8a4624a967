// SPDX-License-Identifier: MIT
// Which pictures are learned from, and which are kept back to judge by.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/visit.h"

namespace resnetft {

// Pictures whose dHash (64 bits over a 9x8 gray reduction) differs in at most so many bits are near-duplicates.
inline constexpr int kNearDuplicateBits = 4;

// 64 bits: whether each of 8x8 places is brighter than its right neighbour.
uint64_t dhash(const ImageView& image);

// The hash of each picture, none where it cannot be decoded, and why. JPEGs are decoded reduced. Cancelled;
// OutOfMemory.
struct PictureHashes {
  std::vector<std::optional<uint64_t>> hashes;
  std::vector<std::pair<size_t, Error>> corrupt;
};
Result<PictureHashes> hash_pictures(const Dataset& data, unsigned workers, const VisitProgress& progress = {});

// Groups of near-duplicates with more than one picture, in the order of their first; what is near to one of a group
// belongs to it.
std::vector<std::vector<size_t>> near_duplicate_groups(std::span<const std::optional<uint64_t>> hashes);

struct Split {
  std::vector<size_t> train;
  std::vector<size_t> validation;
  size_t duplicate_groups = 0;    // groups of near-duplicates with more than one picture
  size_t duplicate_pictures = 0;  // pictures in them
  bool at_random = false;         // groups had to be torn: some class would have had no validation picture
};

// Stratified by class, a pure function of its arguments: about `fraction` (0 to 1, exclusive) of each class becomes
// validation, groups of near-duplicates (`hashes`, one for each picture; none: every picture is a group of its own) go
// whole to one side. A class of one picture stays in train. Where a class of two or more would be left without
// validation pictures, all are split at random.
Split split_stratified(std::span<const size_t> class_ids, std::span<const std::optional<uint64_t>> hashes,
                       double fraction, uint64_t seed);

// The datasets that a folder has by itself: "train" and "val" or "test", or one without a name that is still to be
// split.
struct DataPart {
  std::string name;
  DatasetPtr data;
};
Result<std::vector<DataPart>> open_parts(const std::string& folder);

// What --data names: a folder with train/ and val/ (or test/), CIFAR binaries, or one folder of classes to be split.
struct DataSplit {
  DatasetPtr train;
  DatasetPtr validation;
  std::string how;  // a sentence for people: what was found, groups and counts
  // Pictures that could not be decoded while near-duplicates were looked for: name and reason.
  std::vector<std::pair<std::string, Error>> corrupt;
  // Of the split, where there was one.
  size_t duplicate_groups = 0, duplicate_pictures = 0;
  bool at_random = false;
};
struct SplitOptions {
  std::string validation_folder = {};  // --val-data; empty: find or split
  double validation_fraction = 0.2;
  uint64_t seed = 0;
  unsigned workers = 2;
  VisitProgress progress = {};  // of the look for near-duplicates
};
// NotFound, Io, CorruptFile, InvalidArgument, Cancelled; Incompatible where the parts' class names differ, listing
// them.
Result<DataSplit> open_data(const std::string& folder, const SplitOptions& options);

}  // namespace resnetft
