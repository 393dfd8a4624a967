// SPDX-License-Identifier: MIT
// Which labelled time is learned from and which is kept back to judge by. Time is cut into blocks, because neighbouring
// frames are nearly equal: a random split would judge a model by what it has learned.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace resnetft {

enum class HoldoutSide : uint8_t { Train, Holdout, LeftOut };

struct HoldoutRule {
  double fraction = 0.2;
  uint64_t block_ns = 2'000'000'000;  // at least 1
  uint64_t gap_ns = 1'000'000'000;
  uint64_t seed = 0;
};

// A class's first so many seconds are always learned from; once it has the second, some of it is held out.
inline constexpr uint64_t kHoldoutNeverBefore_ns = 4'000'000'000;
inline constexpr uint64_t kHoldoutAtLatest_ns = 10'000'000'000;

// Whether the draw holds out block `k` of a class: a pure function of (seed, class, k), true for about `fraction`.
bool draw_holds_out(const HoldoutRule& rule, std::string_view class_name, uint64_t k);

// A place in a recording. `timeline` is the stream where the source can seek, and the stream with its flush epoch
// where it is live; `time_ns` is stream time there and running time here. So a clip that is played again has the same
// places, and what was held out stays so.
struct Place {
  std::string timeline;
  uint64_t time_ns = 0;
};

// What was accepted of one class in one block.
struct HoldoutBlock {
  std::string timeline;
  uint64_t k = 0;
  std::string class_name;
  HoldoutSide side = HoldoutSide::Train;
  bool used = false;                   // false: all its samples were left out
  uint64_t first_ns = 0, last_ns = 0;  // of the accepted samples
  uint64_t number = 0;                 // unique, in the order of their first samples, from 1
};

// Reentrant, not thread-safe. Decides from the order of calls alone.
class Holdout {
 public:
  explicit Holdout(const HoldoutRule& rule) : rule_(rule) {}

  // A block of a class gets its side when its first sample comes and keeps it. The blocks of a class's first 4 s (of
  // labelled time, counted in blocks) are learned from; if the draw has held out none when the block comes that makes
  // 10 s, that one is held out, where `fraction` is above 0. A sample that lies nearer than the gap to an accepted one
  // of the other side, of whatever class, is left out: who comes first stays, because a model may have learned from it.
  HoldoutSide assign(const Place& place, std::string_view class_name);

  // The number of the block that assign() put a sample into; 0: no such block.
  uint64_t block_number(const Place& place, std::string_view class_name) const;
  std::optional<HoldoutBlock> block(const Place& place, std::string_view class_name) const;

  uint64_t left_out() const { return left_out_; }

  // To go on after a restart: every block, in the order of their numbers. restore() wants an empty Holdout.
  std::vector<HoldoutBlock> blocks() const;
  void restore(const std::vector<HoldoutBlock>& blocks);

 private:
  struct ClassState {
    uint64_t blocks = 0;
    uint64_t held_out = 0;
  };
  using BlockKey = std::pair<uint64_t, std::string>;  // k and class
  using Timeline = std::map<BlockKey, HoldoutBlock>;

  HoldoutBlock& block_of(const Place& place, std::string_view class_name);
  bool near_other_side(const Timeline& timeline, uint64_t time_ns, HoldoutSide side) const;

  HoldoutRule rule_;
  std::map<std::string, Timeline, std::less<>> timelines_;
  std::map<std::string, ClassState, std::less<>> classes_;
  uint64_t last_number_ = 0;
  uint64_t left_out_ = 0;
};

}  // namespace resnetft
