// SPDX-License-Identifier: MIT
// Random numbers that are pure functions of what they are drawn for, so that a learner repeats its choices.
#pragma once

#include <cstdint>
#include <string_view>

#include "data/philox.h"

namespace resnetft {

// FNV-1a, 64 bits: the same on every machine and in every version, because stores outlive both.
constexpr uint64_t hash_of(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

// 64 random bits for (seed, what, index).
inline uint64_t draw_bits(uint64_t seed, uint64_t what, uint64_t index) {
  const auto bits = philox4x32_10({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32),
                                   static_cast<uint32_t>(what), static_cast<uint32_t>(what >> 32)},
                                  {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  return uint64_t{bits[1]} << 32 | bits[0];
}

// Uniform in [0, 1), in steps of 2^-53.
inline double draw_share(uint64_t seed, uint64_t what, uint64_t index) {
  return static_cast<double>(draw_bits(seed, what, index) >> 11) * 0x1p-53;
}

// Uniform in 0 to count - 1 (a bias below 2^-32 for any count that fits memory).
inline uint64_t draw_below(uint64_t count, uint64_t seed, uint64_t what, uint64_t index) {
  return draw_bits(seed, what, index) % count;
}

}  // namespace resnetft
