// SPDX-License-Identifier: MIT
// A named model shared in the process: immutable snapshots with a generation number, made ready by every subscriber
// before one of them becomes current, and kept for roll-back.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "resnetft/classifier.h"
#include "resnetft/error.h"
#include "resnetft/model.h"

namespace resnetft {

// Thread-safe. Loading, preparing and dropping happen on the hub's own loader thread, never on a reader's.
class ModelHub : public std::enable_shared_from_this<ModelHub> {
 public:
  // Generation 0 with a null snapshot: nothing was published yet.
  struct Current {
    uint64_t generation = 0;
    std::shared_ptr<const Snapshot> snapshot;
  };

  // Whoever shows the hub's model. Called on the loader thread (`prepare` also on the thread that seeds), with no lock
  // of the hub's held that a reader could wait for.
  class Subscriber {
   public:
    virtual ~Subscriber() = default;
    // Makes ready what it needs to show `next`. An error: it keeps its old one; the others go on.
    virtual Status prepare(const Current& next) = 0;
    // `now` is current: every frame that enters after this call is judged by it.
    virtual void promoted(const Current& now) = 0;
  };

  using Done = std::function<void(const Result<Current>& outcome)>;

  static constexpr size_t kHistory = 5;

  // The hub of that name, shared while anybody holds it; a private one for "".
  static std::shared_ptr<ModelHub> acquire(const std::string& id);
  ~ModelHub();

  // Holds a lock only to copy one pointer and one number.
  Current current() const;

  // `subscriber` must outlive its subscription. unsubscribe() waits for a call that is under way on the loader
  // thread, unless it is called from there.
  void subscribe(Subscriber& subscriber);
  void unsubscribe(Subscriber& subscriber);

  // Gives an empty hub its first model, in the caller's thread. A hub that has one answers with what is current where
  // it was seeded from the same file, or where `path` is empty; Incompatible naming both files where it was seeded
  // from another. Load errors as load_model.
  Result<Current> seed(const std::string& path, const LoadOptions& options);

  // Makes `model` the next generation: prepares, becomes current, tells the subscribers; waits for the loader thread,
  // so it must not be called from a subscriber or a `done`. Incompatible where every
  // subscriber failed to prepare (with the first reason); the old one stays.
  Result<Current> publish(std::shared_ptr<const Model> model);

  // The same from a file, without waiting; `done` is called on the loader thread. Requests run one after the other.
  void load(std::string path, LoadOptions options, Done done);
  // Back to the generation before the current one, which gets a new number. NotFound: there is none.
  void rollback(Done done);

  // Drops `object` on the loader thread, once nobody else holds it: for what a streaming thread must not destroy.
  void dispose(std::shared_ptr<const void> object);

 private:
  struct State;
  explicit ModelHub(std::string id);
  std::shared_ptr<State> state_;  // the loader thread holds it too
};

}  // namespace resnetft
