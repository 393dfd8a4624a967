// SPDX-License-Identifier: MIT
// Which samples stay when there is no room for all: decided from classes, sizes and a seed; the samples themselves lie
// elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace resnetft {

enum class ReplayPolicy { BalancedReservoir, Fifo };

struct ReservoirRule {
  ReplayPolicy policy = ReplayPolicy::BalancedReservoir;
  size_t capacity = 2000;
  uint64_t max_bytes = uint64_t{512} << 20;
  uint64_t seed = 0;
};

// Balanced: a newcomer of a class that is not the largest takes the place of a random one of the largest; one of the
// largest class takes the place of a random one of its own, with the probability that keeps each sample of the class
// equally likely to be there (Chrysakis and Moens 2020, "Online Continual Learning from Imbalanced Data", algorithm 1).
// Fifo: the oldest goes. Reentrant, not thread-safe.
class Reservoir {
 public:
  explicit Reservoir(const ReservoirRule& rule) : rule_(rule) {}

  struct Placement {
    bool kept = false;
    std::vector<uint64_t> evicted;
  };
  // `id` is above all that were offered before. A sample larger than max_bytes is never kept.
  Placement offer(uint64_t id, const std::string& class_name, uint64_t bytes);

  // Takes a sample back that an earlier run kept; makes no room for it.
  void restore(uint64_t id, const std::string& class_name, uint64_t bytes);
  // Another class or size for a sample that is kept, as if it had been offered so. What goes for it; itself at worst.
  std::vector<uint64_t> change(uint64_t id, const std::string& class_name, uint64_t bytes);
  // Drops what is too much after restore() under a smaller rule.
  std::vector<uint64_t> trim();
  // Of a sample that the caller drops. No such id: nothing happens.
  void erase(uint64_t id);

  size_t size() const { return entries_.size(); }
  uint64_t bytes() const { return bytes_; }
  size_t held(std::string_view class_name) const;
  uint64_t offered() const { return offered_; }
  uint64_t evicted() const { return evicted_; }
  uint64_t refused() const { return refused_; }

  // What later decisions depend on beside the samples, to go on after a restart.
  struct Totals {
    uint64_t offered = 0, evicted = 0, refused = 0;
    bool operator==(const Totals&) const = default;
  };
  Totals totals() const { return {offered_, evicted_, refused_}; }
  void restore_totals(const Totals& totals);
  uint64_t seen(std::string_view class_name) const;  // how many were offered of it
  std::map<std::string, uint64_t> seen() const;
  void restore_seen(const std::string& class_name, uint64_t count) { classes_[class_name].seen = count; }

 private:
  struct Entry {
    std::string class_name;
    uint64_t bytes;
  };
  struct ClassState {
    std::vector<uint64_t> ids;  // ascending, so that a restored reservoir draws alike
    uint64_t seen = 0;
  };

  bool fits(uint64_t bytes) const { return entries_.size() < rule_.capacity && bytes_ + bytes <= rule_.max_bytes; }
  bool wins_a_place(const ClassState& of_newcomer) const;
  uint64_t victim(const std::string& newcomer_class) const;
  void evict(const std::string& newcomer_class, std::vector<uint64_t>& evicted);
  void insert(uint64_t id, const std::string& class_name, uint64_t bytes);

  ReservoirRule rule_;
  std::map<uint64_t, Entry> entries_;  // by age
  std::map<std::string, ClassState, std::less<>> classes_;
  uint64_t bytes_ = 0;
  uint64_t offered_ = 0, evicted_ = 0, refused_ = 0;
};

}  // namespace resnetft
