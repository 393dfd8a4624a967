// SPDX-License-Identifier: MIT
#include "hub_seat.h"

#include <utility>

namespace resnetft {

std::shared_ptr<ModelHub> HubSeat::join(const std::string& id) {
  {
    const std::scoped_lock guard(lock_);
    if (hub_ && !id.empty() && id == id_) return hub_;
  }
  std::shared_ptr<ModelHub> hub = ModelHub::acquire(id), old = hub;
  {
    const std::scoped_lock guard(lock_);
    hub_.swap(old);
    id_ = id;
  }
  return hub;
}

void HubSeat::leave() {
  std::shared_ptr<ModelHub> old;
  const std::scoped_lock guard(lock_);
  hub_.swap(old);
}

}  // namespace resnetft
