// SPDX-License-Identifier: MIT
#include "live/hub_claim.h"

#include <mutex>
#include <set>

namespace resnetft {
namespace {

std::mutex claims_lock;
std::set<const ModelHub*>& claims() {
  static std::set<const ModelHub*> hubs;
  return hubs;
}

}  // namespace

Status HubClaim::take(std::shared_ptr<ModelHub> hub) {
  const std::scoped_lock guard(claims_lock);
  if (!claims().insert(hub.get()).second)
    return Error{ErrorCode::Incompatible, "another learner teaches this hub",
                 "give each resnetfinetune its own model-instance-id, or feed one through funnel or add-sample"};
  hub_ = std::move(hub);
  return Status::success();
}

void HubClaim::release() {
  const std::scoped_lock guard(claims_lock);
  if (hub_) claims().erase(hub_.get());
  hub_.reset();
}

}  // namespace resnetft
