// SPDX-License-Identifier: MIT
// Where the buffers of a plan lie in one block of memory, sharing space where their lifetimes allow.
#pragma once

#include <cstddef>
#include <vector>

namespace resnetft {

inline constexpr size_t kBufferAlignment = 64;  // a cache line, and an AVX-512 register

// A buffer holds a value from step `first` to step `last`, both included.
struct Lifetime {
  size_t bytes = 0;
  int first = 0;
  int last = 0;
};

struct ArenaPlan {
  std::vector<size_t> offsets;  // in bytes, a multiple of kBufferAlignment, one for each lifetime
  size_t bytes = 0;             // of the whole block
};

// Greedy by size: the largest buffer first, each at the lowest offset where it meets no other that lives with it.
ArenaPlan plan_arena(const std::vector<Lifetime>& lifetimes);

}  // namespace resnetft
