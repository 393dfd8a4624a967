// SPDX-License-Identifier: MIT
// The way from the torch-free library to the trainer, which lives in the torch module.
#include "train/trainer.h"

#include "device/torch_module.h"

namespace resnetft {

Result<TrainOutcome> train(const TrainSpec& spec, const TrainObserver& observer, std::stop_token stop) {
  const Result<const TorchModule*> module = torch_module();
  if (!module) return module.error();
  return (*module)->train(spec, observer, std::move(stop));
}

}  // namespace resnetft
