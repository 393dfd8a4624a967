// SPDX-License-Identifier: MIT
// The format: PKWARE's APPNOTE 6.3, sections 4.3 and 4.5.3. Sizes and offsets come from the central directory alone;
// local headers only say where an entry's data begin, for PyTorch leaves their sizes to data descriptors.
#include "model/zip_entries.h"

#include <zlib.h>

#include <algorithm>
#include <vector>

#include "model/corrupt.h"

namespace resnetft {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50;
constexpr uint32_t kCentralHeader = 0x02014b50;
constexpr uint32_t kEnd = 0x06054b50;
constexpr uint32_t kEnd64 = 0x06064b50;
constexpr uint32_t kEnd64Locator = 0x07064b50;
constexpr size_t kLocalHeaderBytes = 30;
constexpr size_t kCentralHeaderBytes = 46;
constexpr size_t kEndBytes = 22;
constexpr size_t kEnd64Bytes = 56;
constexpr size_t kEnd64LocatorBytes = 20;
constexpr size_t kMaxCommentBytes = 65535;
constexpr size_t kMaxEntries = 300'000;
constexpr uint16_t kZip64Extra = 1;
constexpr uint32_t kIn64Bits = 0xffffffff;

// A record that lies within the archive.
class Record {
 public:
  Record(std::span<const std::byte> archive, uint64_t offset, uint64_t size) {
    if (offset > archive.size() || size > archive.size() - offset)
      throw Corrupt{"its zip directory points outside the file"};
    bytes_ = archive.subspan(offset, size);
  }
  uint16_t u16(size_t at) const { return static_cast<uint16_t>(read(at, 2)); }
  uint32_t u32(size_t at) const { return static_cast<uint32_t>(read(at, 4)); }
  uint64_t u64(size_t at) const { return read(at, 8); }

 private:
  uint64_t read(size_t at, size_t width) const {
    if (at + width > bytes_.size()) throw Corrupt{"its zip directory is cut short"};
    uint64_t value = 0;
    for (size_t i = width; i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(bytes_[at + i]);
    return value;
  }
  std::span<const std::byte> bytes_;
};

struct Directory {
  uint64_t offset = 0, size = 0, entries = 0;
};

struct Located {
  uint64_t begin = 0, end = 0;  // local header to the last byte of data
};

// The end record stands last but for a comment; the last one that reaches the end of the file is the right one.
size_t find_end(std::span<const std::byte> archive) {
  if (archive.size() < kEndBytes) throw Corrupt{"it is shorter than a zip archive"};
  const size_t latest = archive.size() - kEndBytes;
  const size_t earliest = latest > kMaxCommentBytes ? latest - kMaxCommentBytes : 0;
  for (size_t at = latest + 1; at-- > earliest;) {
    const Record record(archive, at, kEndBytes);
    if (record.u32(0) == kEnd && at + kEndBytes + record.u16(20) == archive.size()) return at;
  }
  throw Corrupt{"it has no zip directory; it is cut short"};
}

Directory find_directory(std::span<const std::byte> archive) {
  const size_t end_at = find_end(archive);
  const Record end(archive, end_at, kEndBytes);
  Directory directory{end.u32(16), end.u32(12), end.u16(10)};
  if (end_at >= kEnd64LocatorBytes) {
    const Record locator(archive, end_at - kEnd64LocatorBytes, kEnd64LocatorBytes);
    if (locator.u32(0) == kEnd64Locator) {
      const Record end64(archive, locator.u64(8), kEnd64Bytes);
      if (end64.u32(0) != kEnd64) throw Corrupt{"its zip64 directory is damaged"};
      directory = {end64.u64(48), end64.u64(40), end64.u64(32)};
    }
  }
  if (directory.entries > kMaxEntries) throw Corrupt{"its zip directory has more than 300000 entries"};
  return directory;
}

// Sizes and the offset that do not fit 32 bits stand in an extra field, in this order, and only those.
struct Extents {
  uint64_t size, packed_size, offset;
};

Extents extents_of(const Record& header, size_t extra_at, size_t extra_size) {
  Extents extents{header.u32(24), header.u32(20), header.u32(42)};
  for (size_t at = extra_at; at + 4 <= extra_at + extra_size;) {
    const uint16_t id = header.u16(at), size = header.u16(at + 2);
    at += 4;
    if (at + size > extra_at + extra_size) throw Corrupt{"its zip directory has a damaged extra field"};
    if (id == kZip64Extra) {
      size_t field = at;
      for (uint64_t* value : {&extents.size, &extents.packed_size, &extents.offset}) {
        if (*value != kIn64Bits) continue;
        if (field + 8 > at + size) throw Corrupt{"its zip directory has a damaged extra field"};
        *value = header.u64(field);
        field += 8;
      }
      break;
    }
    at += size;
  }
  return extents;
}

void check_stored(const std::string& name, const Record& header, const Extents& extents) {
  if (header.u16(8) & 1) throw Corrupt{"its zip entry '" + name + "' is encrypted"};
  if (header.u16(10) != 0 || extents.size != extents.packed_size)
    throw Corrupt{"its zip entry '" + name + "' is compressed, which torch.save() never does",
                  "write it again with torch.save()"};
}

Located locate(std::span<const std::byte> archive, const std::string& name, const Extents& extents, ZipEntry& entry) {
  const Record local(archive, extents.offset, kLocalHeaderBytes);
  if (local.u32(0) != kLocalHeader) throw Corrupt{"its zip entry '" + name + "' has no header"};
  const uint64_t data = extents.offset + kLocalHeaderBytes + local.u16(26) + local.u16(28);
  if (data > archive.size() || extents.size > archive.size() - data)
    throw Corrupt{"its zip entry '" + name + "' reaches beyond the file"};
  entry.bytes = archive.subspan(data, extents.size);
  return {extents.offset, data + extents.size};
}

void check_apart(std::vector<Located>& places, uint64_t directory_offset) {
  std::ranges::sort(places, {}, &Located::begin);
  for (size_t i = 0; i < places.size(); ++i) {
    const uint64_t limit = i + 1 < places.size() ? places[i + 1].begin : directory_offset;
    if (places[i].end > limit) throw Corrupt{"its zip entries overlap"};
  }
}

}  // namespace

ZipEntries read_zip_entries(std::span<const std::byte> archive) {
  const Directory directory = find_directory(archive);
  if (directory.offset > archive.size()) throw Corrupt{"its zip directory points outside the file"};
  ZipEntries entries;
  std::vector<Located> places;
  uint64_t at = directory.offset;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    const Record fixed(archive, at, kCentralHeaderBytes);
    if (fixed.u32(0) != kCentralHeader) throw Corrupt{"its zip directory is damaged"};
    const size_t name_size = fixed.u16(28), extra_size = fixed.u16(30);
    const size_t size = kCentralHeaderBytes + name_size + extra_size + fixed.u16(32);
    const Record header(archive, at, size);
    const std::string name(reinterpret_cast<const char*>(archive.data() + at + kCentralHeaderBytes), name_size);
    const Extents extents = extents_of(header, kCentralHeaderBytes + name_size, extra_size);
    check_stored(name, header, extents);
    ZipEntry entry{{}, header.u32(16)};
    places.push_back(locate(archive, name, extents, entry));
    if (!entries.emplace(name, entry).second) throw Corrupt{"its zip directory names '" + name + "' twice"};
    at += size;
  }
  check_apart(places, directory.offset);
  return entries;
}

uint32_t crc32_of(std::span<const std::byte> bytes) {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

void check_crc(const std::string& name, const ZipEntry& entry) {
  if (entry.crc32 != 0 && crc32_of(entry.bytes) != entry.crc32)
    throw Corrupt{"its zip entry '" + name + "' does not have its checksum; the file is damaged"};
}

}  // namespace resnetft
