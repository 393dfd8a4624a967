// SPDX-License-Identifier: MIT
#include "infer/onednn/memory_block.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <new>

#include "infer/arena.h"

namespace resnetft::onednn {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kPoolBlock = 32 * kHugePage;  // of address space

size_t rounded_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

std::byte* map(size_t bytes) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(memory);
}

// A mapping that begins at a multiple of the huge page: one that is a huge page too long, cut at both ends.
std::byte* map_on_huge_pages(size_t bytes) {
  std::byte* const memory = map(bytes + kHugePage);
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(memory) % kHugePage) % kHugePage;
  if (before > 0) munmap(memory, before);
  munmap(memory + before + bytes, kHugePage - before);
#if defined(MADV_HUGEPAGE)
  madvise(memory + before, bytes, MADV_HUGEPAGE);  // a refusal costs speed only
#endif
  return memory + before;
}

}  // namespace

MemoryBlock::MemoryBlock(size_t bytes) : bytes_(rounded_up(std::max(bytes, kPage), kPage)) {
  data_ = bytes_ < kHugePage ? map(bytes_) : map_on_huge_pages(bytes_);
}

MemoryBlock::~MemoryBlock() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

std::byte* MemoryPool::allocate(size_t bytes) {
  const size_t size = rounded_up(bytes, kBufferAlignment);
  if (blocks_.empty() || size > blocks_.back().bytes() - used_) {
    blocks_.emplace_back(std::max(size, kPoolBlock));
    used_ = 0;
  }
  std::byte* const piece = blocks_.back().data() + used_;
  used_ += size;
  return piece;
}

}  // namespace resnetft::onednn
