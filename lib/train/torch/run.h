// SPDX-License-Identifier: MIT
// The torch module's half of train().
#pragma once

#include <c10/core/Device.h>

#include <stop_token>

#include "train/trainer.h"

namespace resnetft {

// As train(); nothing escapes it.
Result<TrainOutcome> run_training(const TrainSpec& spec, const TrainObserver& observer, std::stop_token stop);

// The same on a device of LibTorch's, whatever `spec.device` is.
Result<TrainOutcome> run_training_on(const at::Device& device, const TrainSpec& spec, const TrainObserver& observer,
                                     std::stop_token stop);

}  // namespace resnetft
