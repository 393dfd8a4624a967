// SPDX-License-Identifier: MIT
// Plans one block of memory for values of known lifetimes: a value takes the first gap that nobody alive covers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace resnetft::onednn {

class Arena {
 public:
  // Room for `bytes` until release(); offsets are multiples of 64.
  size_t allocate(size_t bytes) {
    const size_t size = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    size_t offset = 0;
    for (const Piece& piece : pieces_) {
      if (piece.offset - offset >= size) break;
      offset = piece.offset + piece.size;
    }
    pieces_.insert(std::ranges::upper_bound(pieces_, offset, {}, &Piece::offset), Piece{offset, size});
    bytes_ = std::max(bytes_, offset + size);
    return offset;
  }

  void release(size_t offset) {
    std::erase_if(pieces_, [&](const Piece& piece) { return piece.offset == offset; });
  }

  size_t bytes() const { return bytes_; }

 private:
  static constexpr size_t kAlignment = 64;
  struct Piece {
    size_t offset, size;
  };
  std::vector<Piece> pieces_;  // alive, by offset
  size_t bytes_ = 0;
};

}  // namespace resnetft::onednn
