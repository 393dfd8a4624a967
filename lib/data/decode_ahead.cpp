// SPDX-License-Identifier: MIT
#include "data/decode_ahead.h"

#include <algorithm>

namespace resnetft {

DecodeAhead::NextRead DecodeAhead::reads_of(NextPath next_path) {
  return [next_path = std::move(next_path)]() -> std::optional<Read> {
    std::optional<std::string> path = next_path();
    if (!path) return std::nullopt;
    return [path = std::move(*path)] { return ReadPicture{path, read_image_file(path)}; };
  };
}

DecodeAhead::NextRead DecodeAhead::reads_of(const Dataset& data) {
  return [&data, next = size_t{0}]() mutable -> std::optional<Read> {
    if (next == data.size()) return std::nullopt;
    return [&data, index = next++] { return ReadPicture{data.name(index), data.get(index)}; };
  };
}

DecodeAhead::DecodeAhead(NextPath next_path, unsigned workers, size_t ahead)
    : next_read_(reads_of(std::move(next_path))), ahead_(std::max<size_t>(1, ahead)) {
  start(workers);
}

DecodeAhead::DecodeAhead(const Dataset& data, unsigned workers, size_t ahead)
    : next_read_(reads_of(data)), ahead_(std::max<size_t>(1, ahead)) {
  start(workers);
}

void DecodeAhead::start(unsigned workers) {
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

// Waits for room, then takes a picture and a place in the order. None: there is nothing left to do.
std::shared_ptr<DecodeAhead::Slot> DecodeAhead::claim(Read& read) {
  const std::scoped_lock source_guard(source_lock_);
  {
    std::unique_lock guard(lock_);
    changed_.wait(guard, [&] { return stopping_ || exhausted_ || slots_.size() < ahead_; });
    if (stopping_ || exhausted_) return nullptr;
  }
  std::optional<Read> next = next_read_();
  const std::scoped_lock guard(lock_);
  if (!next) {
    exhausted_ = true;
    changed_.notify_all();
    return nullptr;
  }
  read = std::move(*next);
  return slots_.emplace_back(std::make_shared<Slot>());
}

void DecodeAhead::work() {
  Read read;
  while (const std::shared_ptr<Slot> slot = claim(read)) {
    ReadPicture picture = read();
    const std::scoped_lock guard(lock_);
    slot->emplace(std::move(picture));
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
