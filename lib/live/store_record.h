// SPDX-License-Identifier: MIT
// The bytes of a store file, version 1, little-endian: a header of 24 bytes (magic, version, CRC-32C of both), then
// records: length and CRC-32C (of length and payload), each in 4 bytes, then the payload. A record says what one call
// changed; a snapshot is a record of all decisions and one for each sample. Nothing here touches a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "live/holdout.h"
#include "live/reservoir.h"
#include "live/sample.h"
#include "resnetft/error.h"

namespace resnetft {

inline constexpr uint32_t kStoreVersion = 1;

struct StoreTotals {
  uint64_t offered = 0, left_out = 0, duplicates = 0;
  uint64_t last_id = 0;
  uint64_t next_epoch = 0;
  Reservoir::Totals reservoir;
  bool operator==(const StoreTotals&) const = default;
};

struct StoreRecord {
  StoreTotals totals;                                  // after it
  std::vector<std::pair<std::string, uint64_t>> seen;  // of the reservoir, of classes where it changed
  std::vector<HoldoutBlock> blocks;                    // that are new or changed
  std::vector<std::string> labels;                     // that are new
  std::vector<uint64_t> gone;                          // ids of samples that are no longer kept
  std::optional<Sample> sample;                        // new, or as it is now
  // Of `sample`: false where it keeps the one that it had, or has none.
  bool with_feature = false, with_picture = false;
};

// A record ready to be written; the picture's pixels, its last part, are borrowed from the sample.
struct EncodedRecord {
  std::vector<std::byte> head;
  std::span<const std::byte> picture;
  size_t size() const { return head.size() + picture.size(); }
};
EncodedRecord encode_record(const StoreRecord& record);

std::vector<std::byte> store_header();

// Calls `apply` with each record in turn. The length of what is good: all of `file`, or it ends before a record that is
// cut short, damaged, or that `apply` returns false for. 0: nothing but the beginning of a header. CorruptFile where
// `file` is no store or its header is damaged; Incompatible for another version. `name` stands in the errors.
Result<size_t> scan_store(std::span<const std::byte> file, const std::string& name,
                          const std::function<bool(StoreRecord&&)>& apply);

// Where in `bytes` a record begins whose checksum is right; none: nowhere. For what lies behind damage.
std::optional<size_t> find_record(std::span<const std::byte> bytes);

}  // namespace resnetft
