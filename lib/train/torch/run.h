// SPDX-License-Identifier: MIT
// The torch module's half of train().
#pragma once

#include <c10/core/Device.h>

#include <stop_token>

#include "train/torch/frame_source.h"
#include "train/trainer.h"

namespace resnetft {

// As train(); nothing escapes it.
Result<TrainOutcome> run_training(const TrainSpec& spec, const TrainObserver& observer, std::stop_token stop);

// The same on a device of LibTorch's, whatever `spec.device` is. `preprocessors`: what augments there; none: the CPU.
Result<TrainOutcome> run_training_on(const at::Device& device, const TrainSpec& spec, const TrainObserver& observer,
                                     std::stop_token stop, const PreprocessorFactory& preprocessors = {});

}  // namespace resnetft
