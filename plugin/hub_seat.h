// SPDX-License-Identifier: MIT
// An element's membership of a hub, which keeps the hub alive.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "resnetft/model_hub.h"

namespace resnetft {

// join() and leave() belong to state changes; thread-safe.
class HubSeat {
 public:
  // From NULL to READY, and at every start: a private hub ("") begins anew, a shared one is kept.
  std::shared_ptr<ModelHub> join(const std::string& id);
  void leave();

 private:
  std::mutex lock_;  // innermost; a hub is let go without it
  std::shared_ptr<ModelHub> hub_;
  std::string id_;
};

}  // namespace resnetft
