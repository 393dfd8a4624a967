// SPDX-License-Identifier: MIT
// Zip archives for tests of their reader, with every field open to lies.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/zip_entries.h"

namespace resnetft::testing {

struct ZipMember {
  std::string name;
  std::string data;
  uint16_t method = 0, flags = 0;
  bool zip64 = false;        // size and offset in an extra field
  int64_t extra_size = 0;    // what the directory adds to the true size
  int64_t offset_error = 0;  // and to the true offset
  bool with_crc = true;
};

inline void put(std::string& text, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) text += i < 8 ? static_cast<char>(value >> 8 * i) : char{0};
}

inline std::string build_zip(const std::vector<ZipMember>& members) {
  std::string archive, directory;
  for (const ZipMember& member : members) {
    const uint64_t offset = archive.size() + static_cast<uint64_t>(member.offset_error);
    const uint64_t size = member.data.size() + static_cast<uint64_t>(member.extra_size);
    put(archive, 0x04034b50, 4);
    for (int i = 0; i < 11; ++i) put(archive, 0, 2);  // the reader takes sizes from the directory
    put(archive, member.name.size(), 2);
    put(archive, 0, 2);
    archive += member.name + member.data;

    std::string extra;
    if (member.zip64) {
      put(extra, 1, 2);
      put(extra, 24, 2);
      put(extra, size, 8);
      put(extra, size, 8);
      put(extra, offset, 8);
    }
    const uint64_t kThere = 0xffffffff;
    put(directory, 0x02014b50, 4);
    put(directory, 0, 4);
    put(directory, member.flags, 2);
    put(directory, member.method, 2);
    put(directory, 0, 4);
    put(directory, member.with_crc ? crc32_of(std::as_bytes(std::span(member.data))) : 0, 4);
    put(directory, member.zip64 ? kThere : size, 4);
    put(directory, member.zip64 ? kThere : size, 4);
    put(directory, member.name.size(), 2);
    put(directory, extra.size(), 2);
    put(directory, 0, 8);
    put(directory, 0, 2);
    put(directory, member.zip64 ? kThere : offset, 4);
    directory += member.name + extra;
  }
  const size_t directory_offset = archive.size();
  archive += directory;
  put(archive, 0x06054b50, 4);
  put(archive, 0, 4);
  put(archive, members.size(), 2);
  put(archive, members.size(), 2);
  put(archive, directory.size(), 4);
  put(archive, directory_offset, 4);
  put(archive, 0, 2);
  return archive;
}

}  // namespace resnetft::testing
