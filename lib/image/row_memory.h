// SPDX-License-Identifier: MIT
// Scratch bytes that begin at a cache line, zero at first: a filter's unused taps may read them, times zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace resnetft {

class RowMemory {
 public:
  void resize(size_t bytes) { lines_.resize((bytes + sizeof(Line) - 1) / sizeof(Line)); }
  uint8_t* data() { return lines_.data()->bytes; }
  const uint8_t* data() const { return lines_.data()->bytes; }

 private:
  struct alignas(64) Line {
    uint8_t bytes[64] = {};
  };
  std::vector<Line> lines_;
};

}  // namespace resnetft
