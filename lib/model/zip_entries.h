// SPDX-License-Identifier: MIT
// The directory of a zip archive whose entries are all stored, as PyTorch writes them. Stored entries are spans of the
// archive: nothing is unpacked and nothing copied, so that a zip bomb has nothing to go off with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace resnetft {

struct ZipEntry {
  std::span<const std::byte> bytes;
  uint32_t crc32 = 0;
};

using ZipEntries = std::map<std::string, ZipEntry, std::less<>>;

// Reads the directory, ZIP64 too. Throws Corrupt where it is damaged, an entry is compressed, encrypted or outside
// the archive, two entries overlap or have one name, or there are more than 300,000. Checks no CRC.
ZipEntries read_zip_entries(std::span<const std::byte> archive);

// Throws Corrupt where the entry's bytes do not have its CRC. An entry without one (0: PyTorch can be told to write
// none) passes.
void check_crc(const std::string& name, const ZipEntry& entry);

uint32_t crc32_of(std::span<const std::byte> bytes);

}  // namespace resnetft
