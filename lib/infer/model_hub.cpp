// SPDX-License-Identifier: MIT
// Locks, outermost first: State::publishing (one publication or subscription at a time), State::queue_lock,
// State::current_lock (held only to copy a pointer and a number).
#include "resnetft/model_hub.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"

namespace resnetft {
namespace {

constexpr auto kDisposalInterval = std::chrono::milliseconds(20);

std::mutex registry_lock;
std::map<std::string, std::weak_ptr<ModelHub>>& registry() {
  static std::map<std::string, std::weak_ptr<ModelHub>> hubs;
  return hubs;
}

}  // namespace

struct ModelHub::State {
  const std::string id;

  std::mutex publishing;
  std::atomic<std::thread::id> publisher;  // who calls subscribers just now, holding `publishing`
  std::vector<Subscriber*> subscribers;
  std::deque<Current> history;  // what was current before, oldest first
  std::string seed_path;
  bool seeded = false;
  uint64_t last_generation = 0;

  mutable std::mutex current_lock;
  Current current;

  std::mutex queue_lock;
  std::condition_variable queue_changed;
  std::deque<std::function<void()>> queue;
  std::vector<std::shared_ptr<const void>> disposals;
  bool stopping = false;
  std::thread loader;

  explicit State(std::string name) : id(std::move(name)) {}

  Current copy_current() const {
    const std::scoped_lock guard(current_lock);
    return current;
  }

  void start_loader(const std::shared_ptr<State>& self) {
    if (!loader.joinable()) loader = std::thread([self] { self->serve(); });
  }

  void enqueue(const std::shared_ptr<State>& self, std::function<void()> task) {
    const std::scoped_lock guard(queue_lock);
    queue.push_back(std::move(task));
    start_loader(self);
    queue_changed.notify_one();
  }

  void dispose(const std::shared_ptr<State>& self, std::shared_ptr<const void> object) {
    if (!object) return;
    const std::scoped_lock guard(queue_lock);
    disposals.push_back(std::move(object));
    start_loader(self);
    queue_changed.notify_one();
  }

  // What only `disposals` still holds is moved out, to be dropped without the lock.
  std::vector<std::shared_ptr<const void>> take_abandoned() {
    std::vector<std::shared_ptr<const void>> abandoned;
    for (std::shared_ptr<const void>& object : disposals)
      if (object.use_count() == 1) abandoned.push_back(std::move(object));
    std::erase(disposals, nullptr);
    return abandoned;
  }

  void serve() {
    std::unique_lock guard(queue_lock);
    while (!stopping || !queue.empty()) {
      std::function<void()> task;
      if (!queue.empty()) {
        task = std::move(queue.front());
        queue.pop_front();
      }
      std::vector<std::shared_ptr<const void>> abandoned = take_abandoned();
      if (task || !abandoned.empty()) {
        guard.unlock();
        if (task) task();
        task = nullptr;
        abandoned.clear();
        guard.lock();
      } else if (disposals.empty()) {
        queue_changed.wait(guard);
      } else {
        queue_changed.wait_for(guard, kDisposalInterval);
      }
    }
  }

  // Calls every subscriber that is still there; one that unsubscribes meanwhile leaves a null behind.
  template <class Call>
  void for_each_subscriber(Call call) {
    publisher = std::this_thread::get_id();
    for (size_t i = 0; i < subscribers.size(); ++i)
      if (subscribers[i]) call(*subscribers[i]);
    publisher = std::thread::id();
    std::erase(subscribers, nullptr);
  }

  // Needs `publishing`. The old current one goes to `history` where `keep_old` says so.
  Result<Current> make_current(const std::shared_ptr<State>& self, std::shared_ptr<const Snapshot> snapshot,
                               bool keep_old) {
    const Current next{last_generation + 1, std::move(snapshot)};
    size_t ready = 0;
    std::optional<Error> reason;
    for_each_subscriber([&](Subscriber& subscriber) {
      Status status = subscriber.prepare(next);
      if (status)
        ++ready;
      else if (!reason)
        reason = status.error();
    });
    if (reason && ready == 0) return *reason;
    if (reason)
      log(LogLevel::Warning, "hub '" + id + "': one of its elements keeps the old model: " + to_string(*reason));

    last_generation = next.generation;
    Current old;
    {
      const std::scoped_lock guard(current_lock);
      old = std::exchange(current, next);
    }
    if (keep_old && old.snapshot) history.push_back(std::move(old));
    while (history.size() > kHistory) {
      dispose(self, std::move(history.front().snapshot));
      history.pop_front();
    }
    dispose(self, std::move(old.snapshot));
    for_each_subscriber([&](Subscriber& subscriber) { subscriber.promoted(next); });
    return next;
  }

  Result<Current> load_and_publish(const std::shared_ptr<State>& self, const std::string& path,
                                   const LoadOptions& options) {
    Result<std::shared_ptr<const Model>> model = load_model(path, options);
    if (!model) return model.error();
    const std::scoped_lock guard(publishing);
    return make_current(self, Snapshot::create(std::move(*model)), true);
  }

  Result<Current> go_back(const std::shared_ptr<State>& self) {
    const std::scoped_lock guard(publishing);
    if (history.empty())
      return Error{ErrorCode::NotFound, "there is no earlier model to go back to", "load or train one first"};
    const Current target = history.back();
    Result<Current> outcome = make_current(self, target.snapshot, false);
    if (outcome) history.pop_back();
    return outcome;
  }
};

ModelHub::ModelHub(std::string id) : state_(std::make_shared<State>(std::move(id))) {}

ModelHub::~ModelHub() {
  {
    const std::scoped_lock guard(state_->queue_lock);
    state_->stopping = true;
    state_->queue_changed.notify_one();
  }
  if (!state_->loader.joinable()) return;
  // The last holder may let go inside a `done` on the loader thread, which cannot join itself; it owns the state and
  // ends by itself.
  if (state_->loader.get_id() == std::this_thread::get_id())
    state_->loader.detach();
  else
    state_->loader.join();
}

std::shared_ptr<ModelHub> ModelHub::acquire(const std::string& id) {
  if (id.empty()) return std::shared_ptr<ModelHub>(new ModelHub(id));
  const std::scoped_lock guard(registry_lock);
  std::erase_if(registry(), [](const auto& entry) { return entry.second.expired(); });
  std::shared_ptr<ModelHub> hub = registry()[id].lock();
  if (!hub) registry()[id] = hub = std::shared_ptr<ModelHub>(new ModelHub(id));
  return hub;
}

ModelHub::Current ModelHub::current() const { return state_->copy_current(); }

void ModelHub::subscribe(Subscriber& subscriber) {
  const std::scoped_lock guard(state_->publishing);
  state_->subscribers.push_back(&subscriber);
}

void ModelHub::unsubscribe(Subscriber& subscriber) {
  if (state_->publisher == std::this_thread::get_id()) {
    std::ranges::replace(state_->subscribers, &subscriber, nullptr);
    return;
  }
  const std::scoped_lock guard(state_->publishing);
  std::erase(state_->subscribers, &subscriber);
}

Result<ModelHub::Current> ModelHub::seed(const std::string& path, const LoadOptions& options) {
  const std::scoped_lock guard(state_->publishing);
  const Current now = state_->copy_current();
  if (path.empty()) return now;
  if (state_->seeded && state_->seed_path != path)
    return Error{ErrorCode::Incompatible,
                 "model '" + state_->id + "' was started from '" + state_->seed_path + "', not from '" + path + "'",
                 "name the same file in both elements, or another model-instance-id"};
  if (now.snapshot) return now;
  Result<std::shared_ptr<const Model>> model = load_model(path, options);
  if (!model) return model.error();
  Result<Current> outcome = state_->make_current(state_, Snapshot::create(std::move(*model)), true);
  if (!outcome) return outcome;
  state_->seeded = true;
  state_->seed_path = path;
  return outcome;
}

Result<ModelHub::Current> ModelHub::publish(std::shared_ptr<const Model> model) {
  const auto make_it_current = [this, &model] {
    const std::scoped_lock guard(state_->publishing);
    return state_->make_current(state_, Snapshot::create(std::move(model)), true);
  };
  std::promise<Result<Current>> promise;
  state_->enqueue(state_, [&] { promise.set_value(make_it_current()); });
  return promise.get_future().get();
}

void ModelHub::load(std::string path, LoadOptions options, Done done) {
  state_->enqueue(state_, [weak = std::weak_ptr(state_), path = std::move(path), options = std::move(options),
                           done = std::move(done)] {
    const std::shared_ptr<State> state = weak.lock();
    done(state->load_and_publish(state, path, options));
  });
}

void ModelHub::rollback(Done done) {
  state_->enqueue(state_, [weak = std::weak_ptr(state_), done = std::move(done)] {
    const std::shared_ptr<State> state = weak.lock();
    done(state->go_back(state));
  });
}

void ModelHub::dispose(std::shared_ptr<const void> object) { state_->dispose(state_, std::move(object)); }

}  // namespace resnetft
