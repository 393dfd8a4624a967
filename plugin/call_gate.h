// SPDX-License-Identifier: MIT
// Lets calls of other threads in until it is closed; whoever closes it waits for those that are inside.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace resnetft {

// Thread-safe. No lock is held while a call is inside.
class CallGate {
 public:
  // Runs `call` unless the gate is closed.
  template <class Call>
  void pass(Call call) {
    {
      const std::scoped_lock guard(lock_);
      if (closed_) return;
      inside_.push_back(std::this_thread::get_id());
    }
    call();
    const std::scoped_lock guard(lock_);
    inside_.erase(std::ranges::find(inside_, std::this_thread::get_id()));
    left_.notify_all();
  }

  // Returns when nobody is inside; a call of the closing thread's own does not count, it could not wait for itself.
  void close() {
    std::unique_lock guard(lock_);
    closed_ = true;
    left_.wait(guard, [&] {
      return std::ranges::all_of(inside_, [](std::thread::id id) { return id == std::this_thread::get_id(); });
    });
  }

 private:
  std::mutex lock_;
  std::condition_variable left_;
  std::vector<std::thread::id> inside_;
  bool closed_ = false;
};

}  // namespace resnetft
