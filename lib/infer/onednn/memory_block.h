// SPDX-License-Identifier: MIT
// Memory that a session or an engine owns. Blocks of some size lie on huge pages where the system lends them: a net
// walks through tens of megabytes of weights for each picture, and ResNets at batch 1 were 1 to 3 % faster with them.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace resnetft::onednn {

// Zeroed and aligned to a page; takes no memory of the machine before it is written to. Throws std::bad_alloc.
class MemoryBlock {
 public:
  explicit MemoryBlock(size_t bytes);
  MemoryBlock(MemoryBlock&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  MemoryBlock& operator=(MemoryBlock&&) = delete;
  ~MemoryBlock();

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  std::byte* data_;
  size_t bytes_;
};

// Hands out pieces that live as long as the pool does.
class MemoryPool {
 public:
  // Zeroed and aligned to kBufferAlignment. Throws std::bad_alloc.
  std::byte* allocate(size_t bytes);

 private:
  std::vector<MemoryBlock> blocks_;
  size_t used_ = 0;  // of the last block
};

}  // namespace resnetft::onednn
