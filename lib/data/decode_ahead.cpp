// SPDX-License-Identifier: MIT
#include "data/decode_ahead.h"

#include <algorithm>

namespace resnetft {

DecodeAhead::DecodeAhead(NextPath next_path, unsigned workers, size_t ahead)
    : next_path_(std::move(next_path)), ahead_(std::max<size_t>(1, ahead)) {
  for (unsigned i = 0; i < std::max(1u, workers); ++i) workers_.emplace_back([this] { work(); });
}

DecodeAhead::~DecodeAhead() {
  {
    const std::scoped_lock guard(lock_);
    stopping_ = true;
  }
  changed_.notify_all();
  workers_.clear();
}

// Waits for room, then takes a path and a place in the order. None: there is nothing left to do.
std::shared_ptr<DecodeAhead::Slot> DecodeAhead::claim(std::string& path) {
  const std::scoped_lock source_guard(source_lock_);
  {
    std::unique_lock guard(lock_);
    changed_.wait(guard, [&] { return stopping_ || exhausted_ || slots_.size() < ahead_; });
    if (stopping_ || exhausted_) return nullptr;
  }
  std::optional<std::string> next = next_path_();
  const std::scoped_lock guard(lock_);
  if (!next) {
    exhausted_ = true;
    changed_.notify_all();
    return nullptr;
  }
  path = std::move(*next);
  return slots_.emplace_back(std::make_shared<Slot>());
}

void DecodeAhead::work() {
  std::string path;
  while (const std::shared_ptr<Slot> slot = claim(path)) {
    Result<DecodedImage> image = read_image_file(path);
    const std::scoped_lock guard(lock_);
    slot->emplace(ReadPicture{std::move(path), std::move(image)});
    changed_.notify_all();
  }
}

// The lock is held.
std::optional<ReadPicture> DecodeAhead::take_front() {
  std::optional<ReadPicture> picture = std::move(*slots_.front());
  slots_.pop_front();
  changed_.notify_all();
  return picture;
}

std::optional<ReadPicture> DecodeAhead::next() {
  std::unique_lock guard(lock_);
  changed_.wait(guard, [&] { return slots_.empty() ? exhausted_ : slots_.front()->has_value(); });
  if (slots_.empty()) return std::nullopt;
  return take_front();
}

bool DecodeAhead::front_is_ready() {
  const std::scoped_lock guard(lock_);
  return !slots_.empty() && slots_.front()->has_value();
}

std::vector<ReadPicture> DecodeAhead::next_batch(size_t size, bool full) {
  std::vector<ReadPicture> batch;
  while (batch.size() < size && (batch.empty() || full || front_is_ready())) {
    std::optional<ReadPicture> picture = next();
    if (!picture) break;
    batch.push_back(std::move(*picture));
  }
  return batch;
}

}  // namespace resnetft
