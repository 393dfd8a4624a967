// SPDX-License-Identifier: MIT
#include "live/learner_shared.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <system_error>

#include "base/log.h"

namespace resnetft {

WakeUp::WakeUp() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

WakeUp::~WakeUp() { close(fd_); }

void WakeUp::raise() {
  const uint64_t one = 1;
  // Fails only where the counter is full, and then it is raised.
  [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof one);
}

void WakeUp::wait(int timeout_ms) {
  pollfd entry{.fd = fd_, .events = POLLIN, .revents = 0};
  if (poll(&entry, 1, timeout_ms) <= 0) return;
  uint64_t count;
  [[maybe_unused]] const ssize_t got = read(fd_, &count, sizeof count);
}

LearnerShared::LearnerShared(LearnerSpec learner_spec, const Device& training_device, Learner::Observer observer,
                             const PreprocessSpec& model, uint64_t epoch)
    : spec(std::move(learner_spec)),
      device(training_device),
      next_epoch(epoch),
      ring_spec(ring_spec_for(model, spec.ring_bytes, spec.ring_time_ns)),
      ring(ring_spec),
      observer_(std::move(observer)) {
  set_rules(spec.rules);
}

void LearnerShared::tell(const LearnerEvent& event) {
  if (observer_) call_out([&] { observer_(event); });
}

void LearnerShared::call_out(const std::function<void()>& call) {
  {
    const std::scoped_lock guard(observer_lock_);
    if (silent_) return;
    observing_ = std::this_thread::get_id();
  }
  const auto done = [this](void*) {
    const std::scoped_lock guard(observer_lock_);
    observing_ = {};
    observer_done_.notify_all();
  };
  const std::unique_ptr<void, decltype(done)> at_the_end(this, done);  // also where the call throws
  call();
}

bool LearnerShared::silence(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock guard(observer_lock_);
  silent_ = true;
  if (observing_ == std::this_thread::get_id()) return false;
  observer_done_.wait_until(guard, deadline, [&] { return observing_ == std::thread::id(); });
  return true;
}

void LearnerShared::fail(const Error& error) {
  if (error.code == ErrorCode::Cancelled) return;
  set_state(LearnerState::Error);
  {
    const std::scoped_lock guard(lock_);
    if (failure_ == error.message) return;
    failure_ = error.message;
  }
  log(LogLevel::Warning, "learner: " + to_string(error));
  tell(LearnerFailed{error});
}

void LearnerShared::clear_failure() {
  const std::scoped_lock guard(lock_);
  failure_.reset();
}

bool LearnerShared::has_failed() const {
  const std::scoped_lock guard(lock_);
  return failure_.has_value();
}

LearnerRules LearnerShared::rules() const {
  const std::scoped_lock guard(lock_);
  return rules_;
}

void LearnerShared::set_rules(const LearnerRules& rules) {
  const std::scoped_lock guard(lock_);
  rules_ = rules;
  wants_unlabelled = rules.sample_policy == SamplePolicy::Uncertain;
}

LearnerStatus LearnerShared::status() const {
  LearnerStatus status;
  {
    const std::scoped_lock guard(lock_);
    status = status_;
  }
  status.frames_without_slot = ring.without_slot();
  return status;
}

void LearnerShared::set_state(LearnerState state) {
  {
    const std::scoped_lock guard(lock_);
    if (std::exchange(status_.state, state) == state) return;
  }
  if (spec.state_changed) call_out(spec.state_changed);
}

bool LearnerShared::post(Task task) {
  {
    const std::scoped_lock guard(lock_);
    if (stopping_) return false;
    tasks_.push_back(std::move(task));
  }
  wake_up.raise();
  return true;
}

std::vector<LearnerShared::Task> LearnerShared::take_tasks() {
  const std::scoped_lock guard(lock_);
  std::vector<Task> taken(std::make_move_iterator(tasks_.begin()), std::make_move_iterator(tasks_.end()));
  tasks_.clear();
  return taken;
}

uint64_t LearnerShared::open_request(const SampleKey& key) {
  const std::scoped_lock guard(lock_);
  requests_.emplace(++last_request_, key);
  status_.label_requests = requests_.size();
  return last_request_;
}

std::optional<SampleKey> LearnerShared::close_request(uint64_t id) {
  const std::scoped_lock guard(lock_);
  const auto found = requests_.find(id);
  if (found == requests_.end()) return {};
  const SampleKey key = found->second;
  requests_.erase(found);
  status_.label_requests = requests_.size();
  return key;
}

void LearnerShared::drop_expired_requests() {
  std::map<uint64_t, SampleKey> open;
  {
    const std::scoped_lock guard(lock_);
    open = requests_;
  }
  for (const auto& [id, key] : open)
    if (!ring.find(key)) close_request(id);
}

bool LearnerShared::may_request() const {
  const std::scoped_lock guard(lock_);
  return requests_.size() < kMostRequests;
}

std::stop_token LearnerShared::run_token() const {
  const std::scoped_lock guard(lock_);
  return run_.get_token();
}

void LearnerShared::begin_run() {
  const std::scoped_lock guard(lock_);
  if (!stopping_) run_ = std::stop_source();
  running_ = true;
}

bool LearnerShared::cancel_run() {
  const std::scoped_lock guard(lock_);
  if (running_) run_.request_stop();
  return running_;
}

void LearnerShared::end_run(bool began) {
  const std::scoped_lock guard(lock_);
  if (!stopping_) run_ = std::stop_source();
  running_ = false;
  status_.runs += began;
}

void LearnerShared::stop() {
  {
    const std::scoped_lock guard(lock_);
    stopping_ = true;
    run_.request_stop();
    tasks_.clear();
  }
  wake_up.raise();
}

void LearnerShared::rest(std::chrono::nanoseconds time) {
  const std::stop_token token = run_token();
  std::mutex mutex;
  std::unique_lock guard(mutex);
  std::condition_variable_any().wait_for(guard, token, time, [] { return false; });
}

void LearnerShared::set_idle(bool idle, uint64_t collected) {
  const std::scoped_lock guard(lock_);
  idle_ = idle;
  collected_ = std::max(collected_, collected);
}

bool LearnerShared::is_done(uint64_t offers) const {
  const std::scoped_lock guard(lock_);
  return idle_ && tasks_.empty() && collected_ >= offers;
}

}  // namespace resnetft
