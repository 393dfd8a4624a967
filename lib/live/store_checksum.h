// SPDX-License-Identifier: MIT
// CRC-32C (Castagnoli; RFC 3720, appendix B.4), eight bytes at a time.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace resnetft {

static_assert(std::endian::native == std::endian::little, "the store's numbers are written as they lie in memory");

using ChecksumTables = std::array<std::array<uint32_t, 256>, 8>;

constexpr ChecksumTables make_checksum_tables() {
  ChecksumTables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0u);
    tables[0][byte] = crc;
  }
  for (size_t table = 1; table < tables.size(); ++table)
    for (size_t byte = 0; byte < 256; ++byte)
      tables[table][byte] = tables[table - 1][byte] >> 8 ^ tables[0][tables[table - 1][byte] & 255];
  return tables;
}
inline constexpr ChecksumTables kChecksumTables = make_checksum_tables();

// Of `bytes` after those whose checksum is `before`.
inline uint32_t crc32c(std::span<const std::byte> bytes, uint32_t before = 0) {
  uint32_t crc = ~before;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    uint64_t word;
    std::memcpy(&word, bytes.data(), sizeof word);
    word ^= crc;
    crc = 0;
    for (size_t i = 0; i < 8; ++i) crc ^= kChecksumTables[7 - i][word >> (8 * i) & 255];
  }
  for (const std::byte byte : bytes) crc = crc >> 8 ^ kChecksumTables[0][(crc ^ static_cast<uint32_t>(byte)) & 255];
  return ~crc;
}

}  // namespace resnetft
