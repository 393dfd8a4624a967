// SPDX-License-Identifier: MIT
// Mixup in place: each thread walks down the batch at one place of the pictures, remembering the picture before.
// Rounded as LibTorch's operators round it on a processor with FMA: the own share, then the sum with the other's.
#pragma once

#include <cmath>

#include "device/cuda/kernel_source.h"
#include "device/cuda/number_bits.h"

namespace resnetft {

// The values at `place` of `count` pictures of `values` numbers each.
template <class Numbers>
RESNETFT_DEVICE inline void mix_place(typename Numbers::Stored* pictures, int64_t count, int64_t values, int64_t place,
                                      float keep, float rest) {
  float before = Numbers::load(pictures[(count - 1) * values + place]);
  for (int64_t picture = 0; picture < count; ++picture) {
    typename Numbers::Stored& number = pictures[picture * values + place];
    const float own = Numbers::load(number);
    number = Numbers::store(fmaf(rest, before, keep * own));
    before = own;
  }
}

}  // namespace resnetft
