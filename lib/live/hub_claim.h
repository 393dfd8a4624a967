// SPDX-License-Identifier: MIT
// That one learner teaches a hub, and no second one.
#pragma once

#include <memory>

#include "resnetft/error.h"
#include "resnetft/model_hub.h"

namespace resnetft {

// For one thread at a time.
class HubClaim {
 public:
  HubClaim() = default;
  ~HubClaim() { release(); }
  HubClaim(const HubClaim&) = delete;
  HubClaim& operator=(const HubClaim&) = delete;

  // Incompatible where somebody else has it.
  Status take(std::shared_ptr<ModelHub> hub);
  void release();

 private:
  std::shared_ptr<ModelHub> hub_;
};

}  // namespace resnetft
