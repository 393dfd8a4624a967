// SPDX-License-Identifier: MIT
#include "data/split.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <new>
#include <numeric>
#include <unordered_map>

#include "data/augmentation.h"

namespace resnetft {
namespace {

constexpr int kHashSide = 8;
// The least side of a reduced picture whose hash is about that of the whole one.
constexpr int kLeastReducedSide = 9 * 9;
// Of the groups' order; the streams that training draws from are others.
constexpr uint32_t kSplitStream = 4;

// Disjoint sets of pictures.
class Sets {
 public:
  explicit Sets(size_t size) : parent_(size) { std::iota(parent_.begin(), parent_.end(), size_t{0}); }

  size_t find(size_t item) {
    while (parent_[item] != item) item = parent_[item] = parent_[parent_[item]];
    return item;
  }
  // The smaller index stands for both, so that the order of joining does not matter.
  void join(size_t a, size_t b) {
    a = find(a);
    b = find(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<size_t> parent_;
};

// Hashes of at most kNearDuplicateBits different bits are equal in at least one of kNearDuplicateBits + 1 parts: only
// those are compared.
void join_near(std::span<const std::pair<uint64_t, size_t>> hashes, Sets& sets) {
  constexpr int kParts = kNearDuplicateBits + 1, kPartBits = 13;
  for (int part = 0; part < kParts; ++part) {
    std::unordered_map<uint64_t, std::vector<size_t>> buckets;
    for (size_t i = 0; i < hashes.size(); ++i) {
      const uint64_t key = hashes[i].first >> (part * kPartBits) & ((1u << kPartBits) - 1);
      std::vector<size_t>& bucket = buckets[key];
      for (const size_t other : bucket)
        if (std::popcount(hashes[i].first ^ hashes[other].first) <= kNearDuplicateBits)
          sets.join(hashes[i].second, hashes[other].second);
      bucket.push_back(i);
    }
  }
}

using Group = std::vector<size_t>;

std::vector<Group> groups_of(size_t size, std::span<const std::optional<uint64_t>> hashes) {
  Sets sets(size);
  std::map<uint64_t, size_t> first_of;
  for (size_t i = 0; i < hashes.size(); ++i)
    if (hashes[i])
      if (const auto [found, is_new] = first_of.emplace(*hashes[i], i); !is_new) sets.join(found->second, i);
  join_near(std::vector<std::pair<uint64_t, size_t>>(first_of.begin(), first_of.end()), sets);
  std::map<size_t, Group> by_first;
  for (size_t i = 0; i < size; ++i) by_first[sets.find(i)].push_back(i);
  std::vector<Group> groups;
  for (auto& [first, group] : by_first) groups.push_back(std::move(group));
  return groups;
}

// How many pictures each class has, should have in validation, and has there so far.
class Balance {
 public:
  Balance(std::span<const size_t> class_ids, double fraction) : class_ids_(class_ids) {
    const size_t classes = class_ids.empty() ? 0 : *std::ranges::max_element(class_ids) + 1;
    total_.resize(classes);
    taken_.resize(classes);
    for (const size_t id : class_ids) ++total_[id];
    for (const size_t count : total_) {
      const auto wanted = static_cast<size_t>(std::lround(fraction * static_cast<double>(count)));
      wanted_.push_back(count < 2 ? 0 : std::clamp<size_t>(wanted, 1, count - 1));
    }
  }

  // A group may overshoot by less than half of itself.
  bool fits(const Group& group) const {
    return std::ranges::all_of(count(group), [&](const auto& entry) {
      const auto [id, pictures] = entry;
      return 2 * taken_[id] + pictures <= 2 * wanted_[id] && leaves_some(id, pictures);
    });
  }
  bool leaves_some(const Group& group) const {
    return std::ranges::all_of(count(group), [&](const auto& entry) { return leaves_some(entry.first, entry.second); });
  }
  void take(const Group& group) {
    for (const size_t picture : group) ++taken_[class_ids_[picture]];
  }
  bool lacks(size_t id) const { return wanted_[id] > 0 && taken_[id] == 0; }
  size_t classes() const { return total_.size(); }

 private:
  std::map<size_t, size_t> count(const Group& group) const {
    std::map<size_t, size_t> counts;
    for (const size_t picture : group) ++counts[class_ids_[picture]];
    return counts;
  }
  bool leaves_some(size_t id, size_t pictures) const { return taken_[id] + pictures < total_[id]; }

  std::span<const size_t> class_ids_;
  std::vector<size_t> total_, wanted_, taken_;
};

// The smallest group that gives the class a validation picture and leaves every class some to learn from.
size_t group_for(size_t id, const std::vector<Group>& groups, const std::vector<bool>& chosen, const Balance& balance,
                 std::span<const size_t> class_ids) {
  size_t best = groups.size();
  for (size_t i = 0; i < groups.size(); ++i) {
    if (chosen[i] || (best < groups.size() && groups[i].size() >= groups[best].size())) continue;
    const bool has_class = std::ranges::any_of(groups[i], [&](size_t picture) { return class_ids[picture] == id; });
    if (has_class && balance.leaves_some(groups[i])) best = i;
  }
  return best;
}

// False: some class would have no validation picture.
bool choose_groups(const std::vector<Group>& groups, std::span<const size_t> class_ids, double fraction, uint64_t seed,
                   Split& split) {
  Balance balance(class_ids, fraction);
  std::vector<bool> chosen(groups.size());
  CounterRandom random(seed, kSplitStream, 0, 0);
  std::vector<size_t> order(groups.size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(static_cast<uint32_t>(i))]);
  const auto choose = [&](size_t group) {
    chosen[group] = true;
    balance.take(groups[group]);
  };
  for (const size_t group : order)
    if (balance.fits(groups[group])) choose(group);
  for (size_t id = 0; id < balance.classes(); ++id) {
    if (!balance.lacks(id)) continue;
    const size_t group = group_for(id, groups, chosen, balance, class_ids);
    if (group == groups.size()) return false;
    choose(group);
  }
  for (size_t i = 0; i < groups.size(); ++i)
    for (const size_t picture : groups[i]) (chosen[i] ? split.validation : split.train).push_back(picture);
  std::ranges::sort(split.train);
  std::ranges::sort(split.validation);
  return true;
}

int reduce_for_hash(int width, int height) {
  for (const int divisor : {8, 4, 2})
    if (std::min(width, height) / divisor >= kLeastReducedSide) return divisor;
  return 1;
}

}  // namespace

uint64_t dhash(const ImageView& image) {
  PreprocessSpec spec;
  spec.mode = ResizeMode::Stretch;
  spec.crop_width = kHashSide + 1;
  spec.crop_height = kHashSide;
  std::array<uint8_t, (kHashSide + 1) * kHashSide * 3> rgb;
  Result<Preprocessor> preprocessor = Preprocessor::create(spec);
  if (!preprocessor || !preprocessor->to_pixels(image, rgb)) return 0;
  const auto gray = [&](int x, int y) {
    const uint8_t* pixel = rgb.data() + (y * (kHashSide + 1) + x) * 3;
    return 299 * pixel[0] + 587 * pixel[1] + 114 * pixel[2];
  };
  uint64_t hash = 0;
  for (int y = 0; y < kHashSide; ++y)
    for (int x = 0; x < kHashSide; ++x)
      if (gray(x, y) > gray(x + 1, y)) hash |= uint64_t{1} << (y * kHashSide + x);
  return hash;
}

Result<PictureHashes> hash_pictures(const Dataset& data, unsigned workers, const VisitProgress& progress) try {
  std::vector<std::optional<Error>> errors(data.size());
  PictureHashes result{std::vector<std::optional<uint64_t>>(data.size()), {}};
  const auto visit = [&](size_t index, const Result<DecodedImage>& image) {
    if (image) result.hashes[index] = dhash(image->view);
    if (!image) errors[index] = image.error();
  };
  if (Status status = visit_pictures(data, workers, reduce_for_hash, visit, progress); !status) return status.error();
  for (size_t i = 0; i < errors.size(); ++i)
    if (errors[i]) result.corrupt.emplace_back(i, std::move(*errors[i]));
  return result;
} catch (const std::bad_alloc&) {
  return Error{ErrorCode::OutOfMemory, "no memory for the hashes of " + std::to_string(data.size()) + " pictures", ""};
}

std::vector<std::vector<size_t>> near_duplicate_groups(std::span<const std::optional<uint64_t>> hashes) {
  std::vector<Group> groups = groups_of(hashes.size(), hashes);
  std::erase_if(groups, [](const Group& group) { return group.size() < 2; });
  return groups;
}

Split split_stratified(std::span<const size_t> class_ids, std::span<const std::optional<uint64_t>> hashes,
                       double fraction, uint64_t seed) {
  const std::vector<Group> groups = groups_of(class_ids.size(), hashes);
  Split split;
  for (const Group& group : groups) {
    if (group.size() < 2) continue;
    ++split.duplicate_groups;
    split.duplicate_pictures += group.size();
  }
  if (choose_groups(groups, class_ids, fraction, seed, split)) return split;
  split.at_random = true;
  choose_groups(groups_of(class_ids.size(), {}), class_ids, fraction, seed, split);
  return split;
}

}  // namespace resnetft
