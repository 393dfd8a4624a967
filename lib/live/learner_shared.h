// SPDX-License-Identifier: MIT
// What the learner's thread and everybody else's have in common.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "device/device_choice.h"
#include "live/learner.h"

namespace resnetft {

class LearnerLoop;

// A counter that a thread can wait for and that is raised without waiting: an eventfd.
class WakeUp {
 public:
  WakeUp();
  ~WakeUp();
  WakeUp(const WakeUp&) = delete;
  WakeUp& operator=(const WakeUp&) = delete;
  void raise();
  void wait(int timeout_ms);  // until it is raised; lowers it

 private:
  int fd_;
};

// Thread-safe. One lock, held to copy values only; the streaming thread takes none of it.
class LearnerShared {
 public:
  using Task = std::function<void(LearnerLoop&)>;

  LearnerShared(LearnerSpec learner_spec, const Device& training_device, Learner::Observer observer,
                const PreprocessSpec& model, uint64_t epoch);

  const LearnerSpec spec;
  const Device device;  // what spec.device was when the learner began
  const uint64_t next_epoch;
  const CandidateRingSpec ring_spec;
  CandidateRing ring;
  WakeUp wake_up;
  std::atomic<uint64_t> offered = 0;           // labelled candidates in the ring, in all
  std::atomic<bool> wants_unlabelled = false;  // sample-policy=uncertain

  // On the learner's thread, with no lock held; nothing after silence().
  void tell(const LearnerEvent& event);
  // No call of the observer begins after it; waits for one that is under way, but for one that it was called from, at
  // most until `deadline`. False: it is that one.
  bool silence(std::chrono::steady_clock::time_point deadline);
  // Tells of an error, once while it lasts, and shows the state Error. Being stopped is none.
  void fail(const Error& error);
  void clear_failure();
  bool has_failed() const;

  LearnerRules rules() const;
  void set_rules(const LearnerRules& rules);
  LearnerStatus status() const;
  void set_state(LearnerState state);
  template <class Change>
  void update(Change change) {
    const std::scoped_lock guard(lock_);
    change(status_);
  }

  // For the learner's thread; false once it is stopping.
  bool post(Task task);
  std::vector<Task> take_tasks();

  // Label requests that wait for an answer; they expire with their picture in the ring.
  static constexpr size_t kMostRequests = 32;
  uint64_t open_request(const SampleKey& key);
  std::optional<SampleKey> close_request(uint64_t id);
  void drop_expired_requests();
  bool may_request() const;

  // The run under way, or the next.
  std::stop_token run_token() const;
  void begin_run();
  bool cancel_run();  // false: there is none
  void end_run(bool began);
  void stop();  // everything
  bool is_stopping() const { return stopping_; }
  // Sleeps, unless the run is to stop.
  void rest(std::chrono::nanoseconds time);

  // For finish(): whether all that was offered and asked for before is done.
  void set_idle(bool idle, uint64_t collected);
  bool is_done(uint64_t offers) const;

  std::atomic<std::thread::id> thread;  // the learner's

 private:
  mutable std::mutex lock_;
  LearnerRules rules_;
  LearnerStatus status_;
  std::deque<Task> tasks_;
  std::stop_source run_;
  bool running_ = false;
  std::atomic<bool> stopping_ = false;
  bool idle_ = true;
  uint64_t collected_ = 0;
  std::optional<std::string> failure_;
  std::map<uint64_t, SampleKey> requests_;
  uint64_t last_request_ = 0;

  Learner::Observer observer_;
  std::mutex observer_lock_;
  std::condition_variable observer_done_;
  bool silent_ = false;
  std::thread::id observing_;
  void call_out(const std::function<void()>& call);
};

}  // namespace resnetft
