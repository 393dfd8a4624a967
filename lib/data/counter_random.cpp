// SPDX-License-Identifier: MIT
#include <cmath>
#include <numbers>

#include "data/augmentation.h"
#include "data/philox.h"

namespace resnetft {
namespace {

constexpr double kTwoTo32 = 4294967296.0;

// Joehnk 1964, for alpha up to 1: two powers of uniform numbers, accepted where their sum is at most 1. In logarithms,
// because a power may be too small for a double.
double beta_joehnk(CounterRandom& random, double alpha) {
  for (;;) {
    const double x = std::log((random.next_u32() + 1.0) / kTwoTo32) / alpha;
    const double y = std::log((random.next_u32() + 1.0) / kTwoTo32) / alpha;
    const double larger = std::max(x, y);
    const double log_sum = larger + std::log(std::exp(x - larger) + std::exp(y - larger));
    if (log_sum <= 0) return std::exp(x - log_sum);
  }
}

// Cheng 1978, algorithm BB, for equal parameters above 1.
double beta_cheng(CounterRandom& random, double alpha) {
  const double scale = 1 / std::sqrt(alpha), shift = alpha + std::sqrt(alpha);
  for (;;) {
    const double u = (random.next_u32() + 0.5) / kTwoTo32, v = (random.next_u32() + 0.5) / kTwoTo32;
    const double logit = scale * std::log(u / (1 - u));
    const double w = alpha * std::exp(logit);
    const double rest = shift * logit - std::log(4.0);
    if (rest + 2 * alpha * std::log(2 * alpha / (alpha + w)) >= std::log(u * u * v)) return w / (alpha + w);
  }
}

}  // namespace

CounterRandom::CounterRandom(uint64_t seed, uint32_t stream, uint32_t epoch, uint32_t index)
    : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
      counter_{stream, epoch, index, 0},
      block_{} {}

uint32_t CounterRandom::next_u32() {
  if (used_ == 4) {
    const std::array<uint32_t, 4> block =
        philox4x32_10({counter_[0], counter_[1], counter_[2], counter_[3]}, {key_[0], key_[1]});
    for (size_t i = 0; i < 4; ++i) block_[i] = block[i];
    ++counter_[3];
    used_ = 0;
  }
  return block_[used_++];
}

double CounterRandom::uniform() { return next_u32() / kTwoTo32; }

double CounterRandom::uniform(double low, double high) { return low + (high - low) * uniform(); }

// The high half of count * u32; numbers whose low half would favour some results are drawn again (Lemire 2019).
uint32_t CounterRandom::below(uint32_t count) {
  const uint32_t unfair = (0u - count) % count;
  for (;;) {
    const uint64_t product = uint64_t{count} * next_u32();
    if (static_cast<uint32_t>(product) >= unfair) return static_cast<uint32_t>(product >> 32);
  }
}

double CounterRandom::normal() {
  const double radius = std::sqrt(-2 * std::log((next_u32() + 1.0) / kTwoTo32));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

double CounterRandom::beta(double alpha) { return alpha <= 1 ? beta_joehnk(*this, alpha) : beta_cheng(*this, alpha); }

}  // namespace resnetft
