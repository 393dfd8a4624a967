// SPDX-License-Identifier: MIT
// The reader of store files, on the bytes as they are and, with right checksums put in, on what they would say: what
// is read is within its limits, and written again it is the bytes that were read.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "live/store_checksum.h"
#include "live/store_record.h"

namespace {

using resnetft::StoreRecord;

void check(const StoreRecord& record) {
  if (!record.sample) return;
  if (record.sample->label.empty() || record.sample->id == 0) std::abort();
  if (!record.sample->picture) return;
  const resnetft::SmallPicture& picture = *record.sample->picture;
  const int64_t bytes = int64_t{3} * picture.width * picture.height;
  if (picture.width < 1 || picture.height < 1 || bytes != static_cast<int64_t>(picture.rgb.size())) std::abort();
}

void read(std::span<const std::byte> bytes) {
  std::vector<std::byte> again = resnetft::store_header();
  const auto good = resnetft::scan_store(bytes, "fuzz", [&](StoreRecord&& record) {
    check(record);
    const resnetft::EncodedRecord encoded = resnetft::encode_record(record);
    again.insert(again.end(), encoded.head.begin(), encoded.head.end());
    again.insert(again.end(), encoded.picture.begin(), encoded.picture.end());
    return true;
  });
  if (!good || *good == 0) return;
  if (*good != again.size() || !std::equal(again.begin(), again.end(), bytes.begin())) std::abort();
}

// Else damage would hardly ever get beyond the checksum.
void mend_checksums(std::span<std::byte> bytes) {
  const std::vector<std::byte> header = resnetft::store_header();
  if (bytes.size() < header.size()) return;
  std::ranges::copy(header, bytes.begin());
  for (bytes = bytes.subspan(header.size()); bytes.size() >= 8;) {
    uint32_t length;
    std::memcpy(&length, bytes.data(), sizeof length);
    if (length > bytes.size() - 8) return;
    const uint32_t checksum = resnetft::crc32c(bytes.subspan(8, length), resnetft::crc32c(bytes.first(4)));
    std::memcpy(bytes.data() + 4, &checksum, sizeof checksum);
    bytes = bytes.subspan(8 + size_t{length});
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto given = std::as_bytes(std::span(data, size));
  read(given);
  std::vector<std::byte> mended(given.begin(), given.end());
  mend_checksums(mended);
  read(mended);
  return 0;
}
