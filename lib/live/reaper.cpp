// SPDX-License-Identifier: MIT
#include "live/reaper.h"

#include <mutex>
#include <utility>
#include <vector>

namespace resnetft {
namespace {

class Reaper {
 public:
  ~Reaper() {
    for (std::thread& thread : threads_) thread.join();
  }
  void take(std::thread thread) {
    const std::scoped_lock guard(lock_);
    threads_.push_back(std::move(thread));
  }

 private:
  std::mutex lock_;
  std::vector<std::thread> threads_;
};

}  // namespace

// Made by the first thread that is late: after all that such a thread uses, and so destroyed before it.
void hand_to_reaper(std::thread thread) {
  static Reaper reaper;
  reaper.take(std::move(thread));
}

}  // namespace resnetft
