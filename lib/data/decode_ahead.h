// SPDX-License-Identifier: MIT
// Decodes picture files on threads of its own, ahead of whoever takes them, and hands them out in order.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "data/dataset.h"
#include "data/image_file.h"

namespace resnetft {

struct ReadPicture {
  std::string path;
  Result<DecodedImage> image;
};

// next() and next_batch() are for one thread. Destroying it early drops what was not taken; it waits for the calls
// of `next_path` and the decoders that are under way.
class DecodeAhead {
 public:
  // Called by one worker at a time, in order; none: there are no more.
  using NextPath = std::function<std::optional<std::string>()>;

  // `ahead`: how many pictures are decoded or being decoded and not yet taken, at most; at least 1, as `workers`.
  DecodeAhead(NextPath next_path, unsigned workers, size_t ahead);
  // All pictures of `data`, which must outlive this; their paths are data.name().
  DecodeAhead(const Dataset& data, unsigned workers, size_t ahead);
  ~DecodeAhead();

  // The next picture in order; waits for it. None: all were taken.
  std::optional<ReadPicture> next();
  // Up to `size` of the next pictures. Waits for the first, and for the others only if `full`; empty: all were taken.
  std::vector<ReadPicture> next_batch(size_t size, bool full);

 private:
  using Slot = std::optional<ReadPicture>;  // empty while it is being decoded

  using Read = std::function<ReadPicture()>;
  using NextRead = std::function<std::optional<Read>()>;

  static NextRead reads_of(NextPath next_path);
  static NextRead reads_of(const Dataset& data);
  void start(unsigned workers);
  void work();
  std::shared_ptr<Slot> claim(Read& read);
  std::optional<ReadPicture> take_front();
  bool front_is_ready();

  const NextRead next_read_;
  const size_t ahead_;
  std::mutex source_lock_;  // taken before lock_: keeps source and slots in one order
  std::mutex lock_;         // guards what follows
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Slot>> slots_;
  bool exhausted_ = false;
  bool stopping_ = false;
  std::vector<std::jthread> workers_;
};

}  // namespace resnetft
